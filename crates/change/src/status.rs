//! What proxies said about what they were sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xds::{Event, Family, TypeUrl, Version};

/// How much of a refusal's message is kept, in bytes.
const MESSAGE_BYTES: usize = 4096;

/// What is known of one proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub accepted_at: Option<Timestamp>,
    /// The last set of which it has answered everything, and when: what it does not refuse of it, it runs.
    #[serde(default)]
    pub settled: Option<(Version, Timestamp)>,
    /// Why it is not told what it should run, in words; `None`: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Its answers, by type.
    pub types: BTreeMap<TypeUrl, TypeStatus>,
    /// What it refuses of the set that it should run, sorted by type and name.
    pub rejections: Vec<Rejection>,
}

impl ProxyStatus {
    /// What it refuses now: nothing while it is not attached, or once it runs all that it should.
    pub fn refusals(&self) -> &[Rejection] {
        if self.connection.is_none() || self.is_in_sync() { &[] } else { &self.rejections }
    }

    /// What counts of what several control planes know of one proxy: the word of that to which it is attached, of several the
    /// last; otherwise of the first. `None`: none knows it.
    pub fn newest(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().reduce(|known, other| if other.counts_more(&known) { other } else { known })
    }

    pub(crate) fn counts_more(&self, than: &Self) -> bool {
        match (&self.connection, &than.connection) {
            (Some(new), Some(old)) => new.since > old.since,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Whether the proxy runs what it should.
    pub fn is_in_sync(&self) -> bool {
        self.published.is_some() && self.accepted == self.published
    }
}

/// An open stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// When it was opened.
    pub since: Timestamp,
    /// How it is spoken.
    pub protocol: StreamKind,
    /// The kind of proxy.
    #[schemars(with = "String")]
    pub dialect: Family,
    /// The address it came from, where known.
    pub peer: Option<std::net::SocketAddr>,
    /// The program and its version, e.g. `envoy 1.40.0`.
    pub agent: String,
    /// The version of the kuma-dp that started it, e.g. `2.14.3`; `None`: none did, or it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kuma_dp: Option<String>,
    /// What it says of itself beside its name, an object; `None`: nothing, or more than is kept, or it is attached to another
    /// control plane: this is not told further.
    #[serde(skip)]
    pub metadata: Option<Arc<Value>>,
}

impl Connection {
    /// The program with who started it, in words: `envoy 1.40.0, started by kuma-dp 2.14.3`. Others' text: to be escaped.
    pub fn program(&self) -> String {
        let agent = if self.agent.is_empty() { self.dialect.as_str() } else { &self.agent };
        let started = self.kuma_dp.as_ref().map(|version| format!(", started by kuma-dp {version}"));
        format!("{agent}{}", started.unwrap_or_default())
    }
}

/// How a stream is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StreamKind {
    /// Incremental: what differs is sent.
    Delta,
    /// Each response says everything of its type.
    StateOfTheWorld,
}

impl StreamKind {
    /// `delta` or `state-of-the-world`.
    pub const fn as_str(self) -> &'static str {
        match self {
            StreamKind::Delta => "delta",
            StreamKind::StateOfTheWorld => "state-of-the-world",
        }
    }
}

/// The answers of a proxy about one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acked {
    /// Its version.
    pub version: String,
    /// When.
    pub at: Timestamp,
}

/// A resource that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Its type.
    #[schemars(with = "String")]
    pub type_url: TypeUrl,
    /// Its name.
    pub name: String,
    /// Why, in the proxy's own words.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// Somebody who wanted to attach and may not, or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnedAway {
    /// Who it says it is: `mesh/name` of a proxy, or its node id where that is none; empty before it has said that.
    pub who: String,
    /// Why it is turned away, in the words that it was told.
    pub why: String,
    /// The host that it came from, where known.
    pub from: Option<std::net::IpAddr>,
    /// When it was turned away first.
    pub first: Timestamp,
    /// When it was turned away last.
    pub last: Timestamp,
    /// How often.
    pub times: u64,
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
    /// Notes that it opened a stream, which takes the place of the one that it may have had.
    pub fn opened(&mut self, connection: Connection) {
        self.streams += 1;
        self.connection = Some(connection);
    }

    /// Notes what it should run. `in_sync`: it runs that already.
    pub fn publish(&mut self, version: Version, in_sync: bool, at: Timestamp) {
        self.published = Some(version);
        self.settled = None;
        if in_sync {
            self.accept(version, at);
        } else if self.accepted == Some(version) {
            // it ran that before, and something else was sent in between
            (self.accepted, self.accepted_at) = (None, None);
        }
    }

    /// Notes that it runs a set as a whole.
    pub fn accept(&mut self, version: Version, at: Timestamp) {
        self.accepted = Some(version);
        self.accepted_at = Some(at);
        if self.is_in_sync() {
            // whatever was refused is over
            self.rejections.clear();
        }
    }

    /// Notes that it has answered all of a set.
    pub fn settle(&mut self, version: Version, at: Timestamp) {
        if self.settled.is_none_or(|(before, _)| before != version) {
            self.settled = Some((version, at));
        }
    }

    /// Notes an answer. `refused` is what it refuses of the set that it should run, after it.
    pub fn answer(&mut self, event: Event, refused: &[(TypeUrl, String)], at: Timestamp) {
        match event {
            Event::Acked { type_url, version } => {
                let answers = self.types.entry(type_url).or_default();
                answers.acks += 1;
                answers.acked = Some(Acked { version, at });
            }
            Event::Rejected { type_url, mut names, message } => {
                let message = shortened(message);
                self.types.entry(type_url.clone()).or_default().nacks += 1;
                // What is offered again and refused again for the same reason is no news.
                names.retain(|name| !self.rejects(&type_url, name, &message));
                self.rejections.retain(|old| old.type_url != type_url || !names.contains(&old.name));
                self.rejections.extend(names.into_iter().map(|name| Rejection {
                    type_url: type_url.clone(),
                    name,
                    message: message.clone(),
                    at,
                }));
                self.rejections.sort_by(|a, b| (&a.type_url, &a.name).cmp(&(&b.type_url, &b.name)));
            }
        }
        self.keep_rejections(refused);
    }

    /// Forgets rejections of what it need not run any more: `refused` is what it still refuses.
    pub fn keep_rejections(&mut self, refused: &[(TypeUrl, String)]) {
        self.rejections.retain(|old| {
            refused.iter().any(|(type_url, name)| *type_url == old.type_url && *name == old.name)
        });
    }

    fn rejects(&self, type_url: &TypeUrl, name: &str, message: &str) -> bool {
        let mut rejections = self.rejections.iter();
        rejections.any(|it| it.type_url == *type_url && it.name == name && it.message == message)
    }
}
