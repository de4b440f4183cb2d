//! Rollouts of one control plane, updated by the answers of its proxies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use plan::ProxyId;
use xds::TypeUrl;

use super::{Accepted, Lagging, Named, Progress, RefusedBy};
use crate::Revision;
use crate::status::{ProxyStatus, Rejection};

/// Number of remembered rollouts.
const HISTORY: usize = 32;

/// Last 32 rollouts. A copy shares unchanged ones.
#[derive(Clone, Debug, Default)]
pub struct Rollouts {
    /// Rollouts, newest last.
    underway: VecDeque<Arc<OpenRollout>>,
}

#[derive(Clone, Debug)]
struct OpenRollout {
    accepted: Accepted,
    /// Delay until each live proxy was live.
    delays: Vec<Duration>,
    /// Proxies that are not live yet.
    open: BTreeMap<ProxyId, Open>,
}

/// Changes of a revision for a proxy: types and names of resources.
pub type ChangedResources = BTreeSet<(TypeUrl, Arc<str>)>;

/// Proxy that is not live yet.
#[derive(Clone, Debug)]
struct Open {
    touched: ChangedResources,
    state: State,
}

/// State of a proxy that is not live yet.
#[derive(Clone, Debug)]
enum State {
    Lagging { attached: bool },
    Refused { reasons: Vec<String> },
}

impl State {
    /// A change is responsible for refusals of the resources that it touches, and for none that existed before.
    fn of(status: &ProxyStatus, touched: &ChangedResources) -> Self {
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
    ///
    /// A revision of another epoch of the store, or with an earlier number, clears the history.
    pub fn begin(&mut self, accepted: Accepted) {
        let goes_on = |last: &Arc<OpenRollout>| {
            last.accepted.epoch == accepted.epoch && last.accepted.revision <= accepted.revision
        };
        if !self.underway.back().is_some_and(goes_on) {
            self.underway.clear();
        }
        if self.underway.len() == HISTORY {
            self.underway.pop_front();
        }
        let underway = OpenRollout { accepted, delays: Vec::new(), open: BTreeMap::new() };
        self.underway.push_back(Arc::new(underway));
    }

    /// Records that a proxy was sent the newest revision, which touched these resources of it.
    pub fn told(&mut self, proxy: &ProxyId, touched: ChangedResources) {
        if let Some(newest) = self.underway.back_mut() {
            let open = Open { touched, state: State::Lagging { attached: true } };
            Arc::make_mut(newest).open.insert(proxy.clone(), open);
        }
    }

    /// Records that a proxy runs all that it should since `at`. Returns `true` if a rollout waited for it.
    pub fn live(&mut self, proxy: &ProxyId, at: Timestamp) -> bool {
        let mut moved = false;
        for underway in self.concerned(proxy) {
            underway.live(proxy, at);
            moved = true;
        }
        moved
    }

    /// Records that a proxy does not run all that it should. Returns `true` if a rollout waits for it. `settled`: time
    /// since which it has answered everything, so that it runs all that it does not refuse.
    pub fn behind(&mut self, proxy: &ProxyId, status: &ProxyStatus, settled: Option<Timestamp>) -> bool {
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

    /// Forgets a proxy that need not run anything any more.
    pub fn forget(&mut self, proxy: &ProxyId) {
        self.concerned(proxy).for_each(|underway| drop(underway.open.remove(proxy)));
    }

    /// Progress of a revision, or of the first newer one if it was adopted together with others. For revisions before
    /// the last 32 the oldest answers; `None`: it is not adopted yet.
    pub fn of(&self, revision: Revision) -> Option<Progress> {
        let first = self.underway.partition_point(|underway| underway.accepted.revision < revision);
        self.underway.get(first).map(|underway| underway.progress())
    }

    /// Progress of the last revisions, newest last.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = Progress> {
        self.underway.iter().map(|underway| underway.progress())
    }

    /// Rollouts that wait for a proxy.
    fn concerned(&mut self, proxy: &ProxyId) -> impl Iterator<Item = &mut OpenRollout> {
        let waits = move |underway: &&mut Arc<OpenRollout>| underway.open.contains_key(proxy);
        self.underway.iter_mut().filter(waits).map(Arc::make_mut)
    }
}

impl OpenRollout {
    fn live(&mut self, proxy: &ProxyId, at: Timestamp) {
        self.open.remove(proxy);
        let delay = at.duration_since(self.accepted.at);
        self.delays.push(Duration::try_from(delay).unwrap_or_default());
    }

    fn progress(&self) -> Progress {
        let (mut lagging, mut refused) = (Named::default(), Named::default());
        for (proxy, Open { touched: _, state }) in &self.open {
            let proxy = proxy.clone();
            match state {
                State::Lagging { attached } => lagging.add(|| Lagging { proxy, attached: *attached }),
                State::Refused { reasons } => refused.add(|| RefusedBy { proxy, reasons: reasons.clone() }),
            }
        }
        Progress::new(self.accepted.clone(), &self.delays, lagging, refused)
    }
}
