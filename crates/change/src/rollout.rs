//! Progress of each accepted state of the resources: the proxies that run it, lag or refuse.
//!
//! A rollout begins when a state is adopted, and counts the proxies whose configuration it changed. A proxy is live
//! when it reports that it runs all that it should: Envoy by its ACK, our own proxy when the next connection that it
//! accepts is decided by it. One that skips a state because a newer one came is live with the newer.

mod progress;
mod underway;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use plan::ProxyId;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Revision;
pub use progress::{Named, Progress};
pub use underway::{ChangedResources, Rollouts};

/// Accepted state of the resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Revision. Some are left out when a burst of changes is adopted at once.
    pub revision: Revision,
    /// Time of acceptance, from which the times of a rollout are counted.
    #[serde(rename = "acceptedAt")]
    pub at: Timestamp,
    /// Epoch of the store that the revision belongs to: after a failover a revision may be another state than before.
    /// Absent: there is only one, or it is not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Arc<str>>,
}

/// Progress of one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Revision, and time of its acceptance.
    #[serde(flatten)]
    pub accepted: Accepted,
    /// Number of attached proxies whose configuration it changed. The others run it at once: for them nothing changed.
    pub concerned: usize,
    /// Number of concerned proxies that run it.
    pub live: usize,
    /// Number of proxies that have not answered.
    #[serde(default)]
    pub lagging_count: usize,
    /// First 100 of them, sorted.
    #[serde(default)]
    pub lagging: Vec<Lagging>,
    /// Number of proxies that refuse something and run their previous configuration.
    #[serde(default)]
    pub refused_count: usize,
    /// First 100 of them, sorted.
    #[serde(default)]
    pub refused: Vec<RefusedBy>,
    /// Other control planes on the same store that have not applied the revision, sorted: which of their proxies it
    /// concerns is not known yet.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// Times until shares of the concerned proxies ran it.
    #[serde(default)]
    pub live_after: LiveAfter,
}

impl Rollout {
    /// Returns `true` if every control plane has applied it, and every concerned proxy runs it or refuses it.
    pub fn is_over(&self) -> bool {
        // an older control plane lists all, without a number
        let refused = self.refused_count.max(self.refused.len());
        self.waits_for.is_empty() && self.live + refused >= self.concerned
    }

    /// Returns `true` if every control plane has applied it, and every concerned proxy runs it.
    pub fn is_done(&self) -> bool {
        self.waits_for.is_empty() && self.live == self.concerned
    }
}

/// Proxy that was sent a configuration and has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lagging {
    /// Proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// `true`: it is attached now; otherwise it gets the configuration when it comes back.
    pub attached: bool,
}

/// Proxy that refuses its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedBy {
    /// Proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// Refused resources with the reasons in the proxy's own words: `name: reason`.
    pub reasons: Vec<String>,
}

/// Times from the acceptance of a revision until a share of the concerned proxies ran it, in seconds; `null`: not yet,
/// or no proxy was concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveAfter {
    /// Half of them.
    #[serde(rename = "p50", serialize_with = "seconds", deserialize_with = "of_seconds", default)]
    pub half: Option<Duration>,
    /// 99 of 100.
    #[serde(rename = "p99", serialize_with = "seconds", deserialize_with = "of_seconds", default)]
    pub most: Option<Duration>,
    /// All of them.
    #[serde(rename = "p100", serialize_with = "seconds", deserialize_with = "of_seconds", default)]
    pub all: Option<Duration>,
}

impl LiveAfter {
    /// Shares that run it, as `50%`, `99%` and `100%`, with the time of each.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Self { half, most, all } = *self;
        let parts = [("50%", half), ("99%", most), ("100%", all)];
        parts.into_iter().filter_map(|(part, time)| Some((part, time?)))
    }

    /// Computes the times. `delays`: sorted, each with the number of proxies that took that long.
    fn of(delays: &[(Duration, usize)], concerned: usize) -> Self {
        let part = |percent: usize| {
            let needed = (concerned * percent).div_ceil(100);
            let mut counted = 0;
            let reached = |(_, count): &&(Duration, usize)| {
                counted += count;
                counted >= needed
            };
            delays.iter().find(reached).map(|(delay, _)| *delay).filter(|_| needed > 0)
        };
        Self { half: part(50), most: part(99), all: part(100) }
    }
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_f64(time.as_secs_f64()),
        None => serializer.serialize_none(),
    }
}

/// Parses a time in seconds; an invalid span of time becomes `None`.
fn of_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}
