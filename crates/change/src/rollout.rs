//! How far each accepted state of the resources has come: which proxies run it, which lag and which refuse.
//!
//! A rollout begins when a state is adopted, and counts the proxies that were told something new by it. A proxy is
//! live when it says that it runs all that it should: Envoy by its ACK, our own proxy when the next connection that it
//! accepts is decided by it. One that skips a state because a newer one came is live with the newer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::ProxyKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xds::TypeUrl;

use crate::Revision;
use crate::status::{ProxyStatus, Rejection};

/// How many rollouts are remembered.
const HISTORY: usize = 32;

/// A state of the resources that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its revision. Some are left out when a burst of changes is adopted at once.
    pub revision: Revision,
    /// When it was accepted: what the time of a rollout is counted from.
    #[serde(rename = "acceptedAt")]
    pub at: Timestamp,
}

/// How far one revision has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    #[serde(default)]
    pub lagging: Vec<Lagging>,
    /// Those that refuse something and run what they had, sorted.
    #[serde(default)]
    pub refused: Vec<RefusedBy>,
    /// How long it took until a part of the concerned proxies ran it.
    #[serde(default)]
    pub live_after: LiveAfter,
}

impl Rollout {
    /// Whether every concerned proxy runs it, or refuses it.
    pub fn is_over(&self) -> bool {
        self.live + self.refused.len() >= self.concerned
    }

    /// Whether every concerned proxy runs it.
    pub fn is_done(&self) -> bool {
        self.live == self.concerned
    }
}

/// A proxy that was told and has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lagging {
    /// The proxy, as `mesh/name`.
    pub proxy: ProxyKey,
    /// Whether it is attached now; one that is not gets it when it comes back.
    pub attached: bool,
}

/// A proxy that refuses, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBy {
    /// The proxy, as `mesh/name`.
    pub proxy: ProxyKey,
    /// What it refuses and why in its own words: `name: reason`.
    pub reasons: Vec<String>,
}

/// Times from the acceptance of a revision until a part of the concerned proxies ran it, in seconds; `null`: not yet,
/// or nobody was concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// The last 32 rollouts. A copy shares what did not move since.
#[derive(Clone, Debug, Default)]
pub struct Rollouts {
    /// The newest last.
    underway: VecDeque<Arc<Underway>>,
}

#[derive(Clone, Debug)]
struct Underway {
    accepted: Accepted,
    /// How long after that each live proxy was live.
    delays: Vec<Duration>,
    /// Told and not live yet.
    open: BTreeMap<ProxyKey, Open>,
}

/// What the revision changed for a proxy: types and names of resources.
pub type Touched = BTreeSet<(TypeUrl, Arc<str>)>;

/// A proxy that is not live yet.
#[derive(Clone, Debug)]
struct Open {
    touched: Touched,
    state: State,
}

/// What is known of a proxy that is not live yet.
#[derive(Clone, Debug)]
enum State {
    Lagging { attached: bool },
    Refused { reasons: Vec<String> },
}

impl State {
    /// A change is to blame for what is refused of what it touches, and for nothing that was refused before.
    fn of(status: &ProxyStatus, touched: &Touched) -> Self {
        let is_touched =
            |it: &&Rejection| touched.contains(&(it.type_url.clone(), Arc::from(it.name.as_str())));
        let reasons: Vec<String> = status.refusals().iter().filter(is_touched).map(reason).collect();
        match reasons.is_empty() {
            true => State::Lagging { attached: status.connection.is_some() },
            false => State::Refused { reasons },
        }
    }
}

fn reason(Rejection { name, message, .. }: &Rejection) -> String {
    let message = message.trim_end();
    if message.contains(name) { message.to_owned() } else { format!("{name}: {message}") }
}

impl Rollouts {
    /// Begins the rollout of a revision.
    pub fn begin(&mut self, accepted: Accepted) {
        if self.underway.len() == HISTORY {
            self.underway.pop_front();
        }
        let underway = Underway { accepted, delays: Vec::new(), open: BTreeMap::new() };
        self.underway.push_back(Arc::new(underway));
    }

    /// A proxy was told something new by the newest revision, which touched these resources of it.
    pub fn told(&mut self, proxy: &ProxyKey, touched: Touched) {
        if let Some(newest) = self.underway.back_mut() {
            let open = Open { touched, state: State::Lagging { attached: true } };
            Arc::make_mut(newest).open.insert(proxy.clone(), open);
        }
    }

    /// A proxy runs all that it should since `at`. Says whether any rollout waited for it.
    pub fn live(&mut self, proxy: &ProxyKey, at: Timestamp) -> bool {
        let mut moved = false;
        for underway in self.concerned(proxy) {
            underway.live(proxy, at);
            moved = true;
        }
        moved
    }

    /// A proxy does not run all that it should. Says whether any rollout waits for it. `settled`: since then it has answered
    /// all that it was told, so that it runs what it does not refuse.
    pub fn behind(&mut self, proxy: &ProxyKey, status: &ProxyStatus, settled: Option<Timestamp>) -> bool {
        let mut moved = false;
        for underway in self.concerned(proxy) {
            moved = true;
            let Some(open) = underway.open.get_mut(proxy) else { continue };
            open.state = State::of(status, &open.touched);
            if let (State::Lagging { attached: true }, Some(at)) = (&open.state, settled) {
                underway.live(proxy, at);
            }
        }
        moved
    }

    /// A proxy need not run anything any more.
    pub fn forget(&mut self, proxy: &ProxyKey) {
        self.concerned(proxy).for_each(|underway| drop(underway.open.remove(proxy)));
    }

    /// How far a revision has come, or the first newer one where it was adopted together with others. Of those before the
    /// last 32 the oldest answers; `None`: it is not adopted yet.
    pub fn of(&self, revision: Revision) -> Option<Rollout> {
        let first = self.underway.partition_point(|underway| underway.accepted.revision < revision);
        self.underway.get(first).map(|underway| underway.rollout())
    }

    /// How far the last revisions have come, the newest last.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = Rollout> {
        self.underway.iter().map(|underway| underway.rollout())
    }

    /// Those that wait for a proxy.
    fn concerned(&mut self, proxy: &ProxyKey) -> impl Iterator<Item = &mut Underway> {
        let waits = move |underway: &&mut Arc<Underway>| underway.open.contains_key(proxy);
        self.underway.iter_mut().filter(waits).map(Arc::make_mut)
    }
}

impl Underway {
    fn live(&mut self, proxy: &ProxyKey, at: Timestamp) {
        self.open.remove(proxy);
        let delay = at.duration_since(self.accepted.at);
        self.delays.push(Duration::try_from(delay).unwrap_or_default());
    }

    fn rollout(&self) -> Rollout {
        let (mut lagging, mut refused) = (Vec::new(), Vec::new());
        for (proxy, Open { touched: _, state }) in &self.open {
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
    /// The parts that run it, as `50%`, `99%` and `100%`, with the time of each.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Self { half, most, all } = *self;
        let parts = [("50%", half), ("99%", most), ("100%", all)];
        parts.into_iter().filter_map(|(part, time)| Some((part, time?)))
    }

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
