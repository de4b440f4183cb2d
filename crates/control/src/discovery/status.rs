//! What proxies said about what they were sent.

use std::collections::{BTreeMap, BTreeSet};
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
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    proxies: BTreeMap<ProxyKey, ProxyStatus>,
    /// Those whose status changed since somebody looked last.
    changed: BTreeSet<ProxyKey>,
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
    /// When it did so.
    #[serde(serialize_with = "rfc_3339_if_any")]
    pub accepted_at: Option<Timestamp>,
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

fn rfc_3339_if_any<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

impl Statuses {
    /// One proxy; `None` when it has never attached here.
    pub fn get(&self, proxy: &ProxyKey) -> Option<ProxyStatus> {
        self.lock().proxies.get(proxy).cloned()
    }

    /// All proxies.
    pub fn all(&self) -> BTreeMap<ProxyKey, ProxyStatus> {
        self.lock().proxies.clone()
    }

    /// The proxies whose status changed since this was asked last, with what it is now; `None`: it was forgotten.
    ///
    /// For the one who follows what proxies do, so that a look costs what happened and not what there is.
    pub fn take_changed(&self) -> BTreeMap<ProxyKey, Option<ProxyStatus>> {
        let mut known = self.lock();
        let changed = std::mem::take(&mut known.changed);
        changed.into_iter().map(|proxy| (proxy.clone(), known.proxies.get(&proxy).cloned())).collect()
    }

    /// Changes whenever a status does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn opened(&self, proxy: &ProxyKey, connection: Connection) {
        self.update(proxy, |status| {
            status.streams += 1;
            status.connection = Some(connection);
        });
    }

    /// A proxy that nothing was ever published for is forgotten.
    pub(crate) fn closed(&self, proxy: &ProxyKey, known: bool) {
        let mut all = self.lock();
        match all.proxies.get_mut(proxy) {
            Some(status) if known || status.published.is_some() => status.connection = None,
            _ => drop(all.proxies.remove(proxy)),
        }
        all.changed.insert(proxy.clone());
        drop(all);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Notes what a proxy should run. `in_sync`: it runs that already.
    pub(crate) fn published(&self, proxy: &ProxyKey, version: Version, in_sync: bool) {
        let at = Timestamp::now();
        self.update(proxy, |status| {
            status.published = Some(version);
            if in_sync {
                status.accept(version, at);
            } else if status.accepted == Some(version) {
                // it ran that before, and something else was sent in between
                (status.accepted, status.accepted_at) = (None, None);
            }
        });
    }

    pub(crate) fn accepted(&self, proxy: &ProxyKey, version: Version) {
        let at = Timestamp::now();
        self.update(proxy, |status| status.accept(version, at));
    }

    /// Notes an answer. `refused` is what the proxy refuses of the set that it should run, after it.
    pub(crate) fn answered(&self, proxy: &ProxyKey, event: Event, refused: &[(TypeUrl, String)]) {
        let at = Timestamp::now();
        self.update(proxy, |status| {
            match event {
                Event::Acked { type_url, version } => {
                    let answers = status.types.entry(type_url).or_default();
                    answers.acks += 1;
                    answers.acked = Some(Acked { version, at });
                }
                Event::Rejected { type_url, mut names, message } => {
                    let message = shortened(message);
                    status.types.entry(type_url.clone()).or_default().nacks += 1;
                    // What is offered again and refused again for the same reason is no news.
                    names.retain(|name| !status.rejects(&type_url, name, &message));
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
        let mut known = self.lock();
        change(known.proxies.entry(proxy.clone()).or_default());
        known.changed.insert(proxy.clone());
        drop(known);
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change is complete when it could panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn rejects(&self, type_url: &TypeUrl, name: &str, message: &str) -> bool {
        let mut rejections = self.rejections.iter();
        rejections.any(|it| it.type_url == *type_url && it.name == name && it.message == message)
    }

    fn accept(&mut self, version: Version, at: Timestamp) {
        self.accepted = Some(version);
        self.accepted_at = Some(at);
    }

    fn keep_rejections(&mut self, refused: &[(TypeUrl, String)]) {
        self.rejections.retain(|old| {
            refused.iter().any(|(type_url, name)| *type_url == old.type_url && *name == old.name)
        });
    }
}
