//! What proxies said about what they were sent.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use model::ProxyKey;
use serde::{Serialize, Serializer};
use tokio::sync::watch;
use xds::{Event, Family, TypeUrl, Version};

/// How much of a refusal's message is kept.
const MESSAGE_BYTES: usize = 4096;

/// The status of every proxy that has attached since this control plane started.
#[derive(Debug, Default)]
pub struct Statuses {
    // Held for one small update or one copy.
    proxies: Mutex<BTreeMap<ProxyKey, ProxyStatus>>,
    changes: watch::Sender<u64>,
}

/// What is known of one proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStatus {
    /// Its stream; `None`: it is not attached now.
    pub connection: Option<Connection>,
    /// How many streams it has opened.
    pub streams: u64,
    /// The version of the set that it should run; `None` while nothing is published for it.
    pub published: Option<Version>,
    /// The last version that it has accepted as a whole.
    pub accepted: Option<Version>,
    /// Its answers, by type.
    pub types: BTreeMap<TypeUrl, TypeStatus>,
    /// What it refuses of the set that it should run, sorted by type and name.
    pub rejections: Vec<Rejection>,
}

impl ProxyStatus {
    /// Whether the proxy runs what it should.
    pub fn is_in_sync(&self) -> bool {
        self.published.is_some() && self.accepted == self.published
    }
}

/// An open stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// When it was opened.
    #[serde(serialize_with = "rfc_3339")]
    pub since: Timestamp,
    /// `delta` or `state-of-the-world`.
    pub protocol: &'static str,
    /// The kind of proxy.
    pub dialect: Family,
    /// The address it came from, where known.
    pub peer: Option<std::net::SocketAddr>,
    /// The program and its version, e.g. `envoy 1.40.0`.
    pub agent: String,
}

/// The answers of a proxy about one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeStatus {
    /// The last response that it accepted.
    pub acked: Option<Acked>,
    /// How many it accepted.
    pub acks: u64,
    /// How many it refused.
    pub nacks: u64,
}

/// A response that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Acked {
    /// Its version.
    pub version: String,
    /// When.
    #[serde(serialize_with = "rfc_3339")]
    pub at: Timestamp,
}

/// A resource that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: String,
    /// Why, in the proxy's own words.
    pub message: String,
    /// When.
    #[serde(serialize_with = "rfc_3339")]
    pub at: Timestamp,
}

fn rfc_3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Statuses {
    /// One proxy; `None` when it has never attached here.
    pub fn get(&self, proxy: &ProxyKey) -> Option<ProxyStatus> {
        self.lock().get(proxy).cloned()
    }

    /// All proxies.
    pub fn all(&self) -> BTreeMap<ProxyKey, ProxyStatus> {
        self.lock().clone()
    }

    /// Changes whenever a status does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn opened(&self, proxy: &ProxyKey, connection: Connection) {
        self.update(proxy, |status| {
            status.streams += 1;
            status.connection = Some(connection);
        });
    }

    /// A proxy that nothing was ever published for is forgotten.
    pub(super) fn closed(&self, proxy: &ProxyKey, known: bool) {
        let mut proxies = self.lock();
        match proxies.get_mut(proxy) {
            Some(status) if known || status.published.is_some() => status.connection = None,
            _ => drop(proxies.remove(proxy)),
        }
        drop(proxies);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(super) fn published(&self, proxy: &ProxyKey, version: Version) {
        self.update(proxy, |status| status.published = Some(version));
    }

    pub(super) fn accepted(&self, proxy: &ProxyKey, version: Version) {
        self.update(proxy, |status| status.accepted = Some(version));
    }

    /// Notes an answer. `refused` is what the proxy refuses of the set that it should run, after it.
    pub(super) fn answered(&self, proxy: &ProxyKey, event: Event, refused: &[(TypeUrl, String)]) {
        let at = Timestamp::now();
        self.update(proxy, |status| {
            match event {
                Event::Acked { type_url, version } => {
                    let answers = status.types.entry(type_url).or_default();
                    answers.acks += 1;
                    answers.acked = Some(Acked { version, at });
                }
                Event::Rejected { type_url, names, message } => {
                    let message = shortened(message);
                    status.types.entry(type_url.clone()).or_default().nacks += 1;
                    status.rejections.retain(|old| old.type_url != type_url || !names.contains(&old.name));
                    status.rejections.extend(names.into_iter().map(|name| Rejection {
                        type_url: type_url.clone(),
                        name,
                        message: message.clone(),
                        at,
                    }));
                    status.rejections.sort_by(|a, b| (&a.type_url, &a.name).cmp(&(&b.type_url, &b.name)));
                }
            }
            status.keep_rejections(refused);
        });
    }

    /// Forgets rejections of what the proxy need not run any more.
    pub(super) fn retained(&self, proxy: &ProxyKey, refused: &[(TypeUrl, String)]) {
        self.update(proxy, |status| status.keep_rejections(refused));
    }

    fn update(&self, proxy: &ProxyKey, change: impl FnOnce(&mut ProxyStatus)) {
        change(self.lock().entry(proxy.clone()).or_default());
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProxyKey, ProxyStatus>> {
        // Every change is complete when it could panic.
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Proxies may quote whole configurations; the first words say what is wrong.
fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        message.push('…');
    }
    message
}

impl ProxyStatus {
    fn keep_rejections(&mut self, refused: &[(TypeUrl, String)]) {
        self.rejections.retain(|old| {
            refused.iter().any(|(type_url, name)| *type_url == old.type_url && *name == old.name)
        });
    }
}
