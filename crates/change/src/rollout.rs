//! How far each accepted state of the resources has come: which proxies run it, which lag and which refuse.
//!
//! A rollout begins when a state is adopted, and counts the proxies that were told something new by it. A proxy is
//! live when it says that it runs all that it should: Envoy by its ACK, our own proxy when the next connection that it
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
pub use underway::{Rollouts, Touched};

/// A state of the resources that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its revision. Some are left out when a burst of changes is adopted at once.
    pub revision: Revision,
    /// When it was accepted: what the time of a rollout is counted from.
    #[serde(rename = "acceptedAt")]
    pub at: Timestamp,
    /// Which life of the store the revision is of: after a failover it may be another state than before. Absent: the store has
    /// one only, or does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Arc<str>>,
}

/// How far one revision has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The revision, and when it was accepted.
    #[serde(flatten)]
    pub accepted: Accepted,
    /// How many attached proxies it told something new. The others ran it at once: for them nothing changed.
    pub concerned: usize,
    /// How many of them run it.
    pub live: usize,
    /// How many have not answered.
    #[serde(default)]
    pub lagging_count: usize,
    /// The first 100 of them, sorted.
    #[serde(default)]
    pub lagging: Vec<Lagging>,
    /// How many refuse something and run what they had.
    #[serde(default)]
    pub refused_count: usize,
    /// The first 100 of them, sorted.
    #[serde(default)]
    pub refused: Vec<RefusedBy>,
    /// Other control planes on the same store that have not taken the revision over, sorted: which of their proxies it
    /// concerns is not known yet.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// How long it took until a part of the concerned proxies ran it.
    #[serde(default)]
    pub live_after: LiveAfter,
}

impl Rollout {
    /// Whether every control plane has taken it over, and every concerned proxy runs it or refuses it.
    pub fn is_over(&self) -> bool {
        // one that does not count names all
        let refused = self.refused_count.max(self.refused.len());
        self.waits_for.is_empty() && self.live + refused >= self.concerned
    }

    /// Whether every control plane has taken it over, and every concerned proxy runs it.
    pub fn is_done(&self) -> bool {
        self.waits_for.is_empty() && self.live == self.concerned
    }
}

/// A proxy that was told and has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lagging {
    /// The proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// Whether it is attached now; one that is not gets it when it comes back.
    pub attached: bool,
}

/// A proxy that refuses, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedBy {
    /// The proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// What it refuses and why in its own words: `name: reason`.
    pub reasons: Vec<String>,
}

/// Times from the acceptance of a revision until a part of the concerned proxies ran it, in seconds; `null`: not yet,
/// or nobody was concerned.
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
    /// The parts that run it, as `50%`, `99%` and `100%`, with the time of each.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Self { half, most, all } = *self;
        let parts = [("50%", half), ("99%", most), ("100%", all)];
        parts.into_iter().filter_map(|(part, time)| Some((part, time?)))
    }

    /// `delays`: sorted, each with how many proxies it took that long.
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

/// What is no span of time is none.
fn of_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}
