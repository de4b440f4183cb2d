//! Answers of proxies to their configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xds::{Event, Family, TypeUrl, Version};

use crate::paths::ReportedPaths;

/// Limit on the kept part of a refusal's message, in bytes.
const MESSAGE_BYTES: usize = 4096;

/// Status of one proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStatus {
    /// Open stream; `None`: it is not attached now.
    pub connection: Option<Connection>,
    /// Number of streams it has opened.
    pub streams: u64,
    /// Version of the set that it should run; `None`: none is published.
    pub published: Option<Version>,
    /// Last version that it has accepted as a whole; `None`: none.
    pub accepted: Option<Version>,
    /// Time of that acceptance.
    pub accepted_at: Option<Timestamp>,
    /// Last set that it has answered completely, and when: it runs all of it that it does not refuse.
    #[serde(default)]
    pub settled: Option<(Version, Timestamp)>,
    /// Reason why its configuration is withheld, in words; `None`: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Answers by type.
    pub types: BTreeMap<TypeUrl, TypeStatus>,
    /// Refusals of the set that it should run, sorted by type and name.
    pub rejections: Vec<Rejection>,
    /// Data paths of its outbounds, as last reported; `None`: it has not reported them since it attached, as Envoys and
    /// older proxies do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Arc<ReportedPaths>>,
}

impl ProxyStatus {
    /// Present refusals: none while it is not attached, or once it runs all that it should.
    pub fn refusals(&self) -> &[Rejection] {
        if self.connection.is_none() || self.is_in_sync() { &[] } else { &self.rejections }
    }

    /// Chooses among the statuses of one proxy at several control planes: that of the control plane to which it is
    /// attached, of several the last; otherwise the first. `None`: there are none.
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

    /// Returns `true` if the proxy runs what it should.
    pub fn is_in_sync(&self) -> bool {
        self.published.is_some() && self.accepted == self.published
    }
}

/// Open stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Time of its opening.
    pub since: Timestamp,
    /// Protocol variant.
    pub protocol: StreamKind,
    /// Kind of proxy.
    #[schemars(with = "String")]
    pub dialect: Family,
    /// Address of the proxy; `None`: unknown.
    pub peer: Option<std::net::SocketAddr>,
    /// Program and its version, e.g. `envoy 1.40.0`.
    pub agent: String,
    /// Version of the kuma-dp that started it, e.g. `2.14.3`; `None`: no kuma-dp, or not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kuma_dp: Option<String>,
    /// Metadata of the proxy beside its name, an object; `None`: none, or more than is kept, or it is attached to
    /// another control plane: metadata is not passed between control planes.
    #[serde(skip)]
    pub metadata: Option<Arc<Value>>,
}

impl Connection {
    /// Program and its starter, in words: `envoy 1.40.0, started by kuma-dp 2.14.3`. Untrusted text: to be escaped.
    pub fn program(&self) -> String {
        let agent = if self.agent.is_empty() { self.dialect.as_str() } else { &self.agent };
        let started = self.kuma_dp.as_ref().map(|version| format!(", started by kuma-dp {version}"));
        format!("{agent}{}", started.unwrap_or_default())
    }
}

/// Protocol variant of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StreamKind {
    /// Incremental: differences are sent.
    Delta,
    /// State of the world: each response has everything of its type.
    StateOfTheWorld,
}

impl StreamKind {
    /// Name: `delta` or `state-of-the-world`.
    pub const fn as_str(self) -> &'static str {
        match self {
            StreamKind::Delta => "delta",
            StreamKind::StateOfTheWorld => "state-of-the-world",
        }
    }
}

/// Answers of a proxy about one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeStatus {
    /// Last response that it ACKed; `None`: none.
    pub acked: Option<Acked>,
    /// Number of ACKs.
    pub acks: u64,
    /// Number of NACKs.
    pub nacks: u64,
}

/// ACKed response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acked {
    /// Version.
    pub version: String,
    /// Time.
    pub at: Timestamp,
}

/// Refused resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Type.
    #[schemars(with = "String")]
    pub type_url: TypeUrl,
    /// Name.
    pub name: String,
    /// Reason, in the proxy's own words.
    pub message: String,
    /// Time.
    pub at: Timestamp,
}

/// Client that was rejected when it wanted to attach, or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnedAway {
    /// Claimed identity: `mesh/name` of a proxy, or its node ID if that is none; empty: not known yet.
    pub who: String,
    /// Reason of the rejection, as sent to it.
    pub why: String,
    /// Host that it came from; `None`: unknown.
    pub from: Option<std::net::IpAddr>,
    /// Time of the first rejection.
    pub first: Timestamp,
    /// Time of the last rejection.
    pub last: Timestamp,
    /// Number of rejections.
    pub times: u64,
}

/// Shortens a message: proxies may quote whole configurations, and the first words say what is wrong.
fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        message.push('…');
    }
    message
}

impl ProxyStatus {
    /// Records that it opened a stream, which replaces a previous one. It may be another process than before, so its data
    /// paths are unknown until it reports them.
    pub fn opened(&mut self, connection: Connection) {
        self.streams += 1;
        self.connection = Some(connection);
        self.paths = None;
    }

    /// Records that its stream ended.
    pub fn closed(&mut self) {
        self.connection = None;
        self.stopped_reporting();
    }

    /// Records that it no longer reports: the last paths are kept, and marked as stale.
    pub fn stopped_reporting(&mut self) {
        if let Some(paths) = self.paths.as_mut().filter(|paths| !paths.stale) {
            Arc::make_mut(paths).stale = true;
        }
    }

    /// Records the version that it should run. `in_sync`: it runs that already.
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

    /// Records that it runs a set as a whole.
    pub fn accept(&mut self, version: Version, at: Timestamp) {
        self.accepted = Some(version);
        self.accepted_at = Some(at);
        if self.is_in_sync() {
            // earlier refusals are over
            self.rejections.clear();
        }
    }

    /// Records that it has answered all of a set.
    pub fn settle(&mut self, version: Version, at: Timestamp) {
        if self.settled.is_none_or(|(before, _)| before != version) {
            self.settled = Some((version, at));
        }
    }

    /// Records an answer. `refused`: the resources of its set that it refuses after the answer.
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
                // A resource that is offered again and refused again for the same reason is no news.
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

    /// Removes rejections that no longer matter: `refused` are the resources it still refuses.
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
