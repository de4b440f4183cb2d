//! How far each accepted state of the resources has come: which proxies run it, which lag and which refuse.
//!
//! A rollout begins when a state is adopted, and counts the proxies that were told something new by it. A proxy is
//! live when it says that it runs all that it should: Envoy by its ACK, our own proxy when the next connection that it
//! accepts is decided by it. One that skips a state because a newer one came is live with the newer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use model::ProxyKey;
use serde::{Serialize, Serializer};

use crate::discovery::ProxyStatus;
use crate::store::Revision;

/// How many rollouts are remembered.
const HISTORY: usize = 32;

/// A state of the resources that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its revision. Some are left out when a burst of changes is adopted at once.
    pub revision: Revision,
    /// When it was accepted: what the time of a rollout is counted from.
    #[serde(rename = "acceptedAt", serialize_with = "rfc_3339")]
    pub at: Timestamp,
}

impl Accepted {
    /// A state that is accepted now.
    pub fn now(revision: Revision) -> Self {
        Self { revision, at: Timestamp::now() }
    }
}

/// How far one revision has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The revision, and when it was accepted.
    #[serde(flatten)]
    pub accepted: Accepted,
    /// How many attached proxies it told something new. The others ran it at once: for them nothing changed.
    pub concerned: usize,
    /// How many of them run it.
    pub live: usize,
    /// Those that have not answered, sorted.
    pub lagging: Vec<Lagging>,
    /// Those that refuse something and run what they had, sorted.
    pub refused: Vec<RefusedBy>,
    /// How long it took until a part of the concerned proxies ran it.
    pub live_after: LiveAfter,
}

impl Rollout {
    /// Whether every concerned proxy runs it.
    pub fn is_done(&self) -> bool {
        self.live == self.concerned
    }
}

/// A proxy that was told and has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lagging {
    /// The proxy, as `mesh/name`.
    pub proxy: ProxyKey,
    /// Whether it is attached now; one that is not gets it when it comes back.
    pub attached: bool,
}

/// A proxy that refuses, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedBy {
    /// The proxy, as `mesh/name`.
    pub proxy: ProxyKey,
    /// What it refuses and why in its own words: `name: reason`.
    pub reasons: Vec<String>,
}

/// Times from the acceptance of a revision until a part of the concerned proxies ran it, in seconds; `null`: not yet,
/// or nobody was concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LiveAfter {
    /// Half of them.
    #[serde(rename = "p50", serialize_with = "seconds")]
    pub half: Option<Duration>,
    /// 99 of 100.
    #[serde(rename = "p99", serialize_with = "seconds")]
    pub most: Option<Duration>,
    /// All of them.
    #[serde(rename = "p100", serialize_with = "seconds")]
    pub all: Option<Duration>,
}

/// The rollouts that are remembered, the newest last.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    underway: VecDeque<Underway>,
}

#[derive(Debug)]
struct Underway {
    accepted: Accepted,
    /// How long after that each live proxy was live.
    delays: Vec<Duration>,
    /// Told and not live yet.
    open: BTreeMap<ProxyKey, State>,
}

/// What is known of a proxy that is not live yet.
#[derive(Debug)]
enum State {
    Lagging { attached: bool },
    Refused { reasons: Vec<String> },
}

impl State {
    fn of(status: &ProxyStatus) -> Self {
        match status.rejections.as_slice() {
            [] => State::Lagging { attached: status.connection.is_some() },
            rejections => State::Refused {
                reasons: rejections
                    .iter()
                    .map(|it| {
                        let message = it.message.trim_end();
                        if message.contains(&it.name) {
                            return message.to_owned();
                        }
                        format!("{}: {message}", it.name)
                    })
                    .collect(),
            },
        }
    }
}

impl Rollouts {
    /// Begins the rollout of a revision.
    pub(super) fn begin(&mut self, accepted: Accepted) {
        if self.underway.len() == HISTORY {
            self.underway.pop_front();
        }
        self.underway.push_back(Underway { accepted, delays: Vec::new(), open: BTreeMap::new() });
    }

    /// A proxy was told something new by the newest revision.
    pub(super) fn told(&mut self, proxy: &ProxyKey) {
        if let Some(newest) = self.underway.back_mut() {
            newest.open.insert(proxy.clone(), State::Lagging { attached: true });
        }
    }

    /// A proxy runs all that it should since `at`.
    pub(super) fn live(&mut self, proxy: &ProxyKey, at: Timestamp) -> bool {
        let mut moved = false;
        for underway in self.waiting() {
            if underway.open.remove(proxy).is_some() {
                let delay = at.duration_since(underway.accepted.at);
                underway.delays.push(Duration::try_from(delay).unwrap_or_default());
                moved = true;
            }
        }
        moved
    }

    /// A proxy does not run all that it should.
    pub(super) fn behind(&mut self, proxy: &ProxyKey, status: &ProxyStatus) -> bool {
        let mut moved = false;
        for underway in self.waiting() {
            if let Some(state) = underway.open.get_mut(proxy) {
                *state = State::of(status);
                moved = true;
            }
        }
        moved
    }

    /// A proxy need not run anything any more.
    pub(super) fn forget(&mut self, proxy: &ProxyKey) {
        self.waiting().for_each(|underway| drop(underway.open.remove(proxy)));
    }

    /// How far a revision has come, or the first newer one where it was adopted together with others.
    pub(super) fn of(&self, revision: Revision) -> Option<Rollout> {
        let first = self.underway.partition_point(|underway| underway.accepted.revision < revision);
        self.underway.get(first).map(Underway::rollout)
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = Rollout> {
        self.underway.iter().map(Underway::rollout)
    }

    fn waiting(&mut self) -> impl Iterator<Item = &mut Underway> {
        self.underway.iter_mut().filter(|underway| !underway.open.is_empty())
    }
}

impl Underway {
    fn rollout(&self) -> Rollout {
        let (mut lagging, mut refused) = (Vec::new(), Vec::new());
        for (proxy, state) in &self.open {
            let proxy = proxy.clone();
            match state {
                State::Lagging { attached } => lagging.push(Lagging { proxy, attached: *attached }),
                State::Refused { reasons } => refused.push(RefusedBy { proxy, reasons: reasons.clone() }),
            }
        }
        let live = self.delays.len();
        let concerned = live + self.open.len();
        Rollout {
            accepted: self.accepted,
            concerned,
            live,
            lagging,
            refused,
            live_after: LiveAfter::of(&self.delays, concerned),
        }
    }
}

impl LiveAfter {
    fn of(delays: &[Duration], concerned: usize) -> Self {
        let mut sorted = delays.to_vec();
        sorted.sort_unstable();
        let part = |percent: usize| {
            let needed = (concerned * percent).div_ceil(100);
            sorted.get(needed.checked_sub(1)?).copied()
        };
        Self { half: part(50), most: part(99), all: part(100) }
    }
}

fn rfc_3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_f64(time.as_secs_f64()),
        None => serializer.serialize_none(),
    }
}
