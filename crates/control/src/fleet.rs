//! What every attached proxy should run, in its own words, kept at what the resources say.
//!
//! ```text
//!  Compiled ──adopt──▶ Fleet ──(differs from what it was told?)──▶ Publisher ⇢ streams ⇢ proxies
//!  a proxy attaches ──attend──┘                                                     │
//!  report: proxies and routes, with what became of each  ◀── Statuses ◀── ACK, NACK ┘
//!  rollout: how far a revision has come ◀──observe── Statuses
//! ```
//!
//! Only what somebody wants is said to an Envoy, and only when its plan changed. It opens no socket and has no clock.

mod happening;
mod report;
mod rollout;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dialect::envoy::EnvoyOptions;
use model::ProxyKey;
use plan::Plan;
use tokio::sync::watch;
use xds::{Family, ResourceSet, Version};

use crate::compile::{Compiled, CompiledProxy, Said, Unsayable};
use crate::discovery::{ProxyStatus, Publisher, Statuses};
use crate::store::Revision;

pub use happening::{Did, Happening};
pub use report::{FleetReport, ProxyReport, Reach, Refusal, RouteAtProxy, RouteReport, report};
use rollout::Rollouts;
pub use rollout::{Accepted, Lagging, LiveAfter, RefusedBy, Rollout};

/// The proxies that attach to this control plane, and what they were told.
#[derive(Debug)]
pub struct Fleet {
    publisher: Arc<Publisher>,
    compiled: Arc<Compiled>,
    /// What was adopted last; zero before the first.
    revision: Revision,
    rollouts: Rollouts,
    /// The proxies as they were seen last.
    seen: BTreeMap<ProxyKey, ProxyStatus>,
    changes: watch::Sender<u64>,
    served: BTreeMap<(ProxyKey, Family), Served>,
    /// Attached proxies that no Dataplane is there for.
    waiting: BTreeSet<ProxyKey>,
}

/// What one proxy was told last.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// What it must do.
    pub plan: Arc<Plan>,
    /// The same in its own words.
    pub resources: Arc<ResourceSet>,
    /// The revision that brought the last change of it.
    pub revision: Revision,
    /// What could not be said as asked, in words.
    pub notes: Vec<String>,
    /// The version of `resources`.
    version: Version,
    /// The last revision that it ran before it was told this; `None`: none of this process.
    ran: Option<Revision>,
}

/// What came of a look at who is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A proxy is told something new.
    Published {
        /// The proxy.
        proxy: ProxyKey,
        /// What it could not be told as asked, in words, and was not told before.
        notes: Vec<String>,
    },
    /// A proxy attached, and no Dataplane has its name: it waits, or keeps what it runs.
    Unknown {
        /// The proxy.
        proxy: ProxyKey,
    },
    /// A plan cannot be said in the dialect: a mistake of ours. The proxy keeps what it runs.
    Unsayable {
        /// The proxy.
        proxy: ProxyKey,
        /// What is wrong, with the place.
        problem: Unsayable,
    },
}

impl Fleet {
    /// A fleet that publishes to `publisher`, with nothing to say yet.
    pub fn new(publisher: Arc<Publisher>, nothing: Compiled) -> Self {
        Self {
            publisher,
            compiled: Arc::new(nothing),
            revision: Revision::ZERO,
            rollouts: Rollouts::default(),
            seen: BTreeMap::new(),
            changes: watch::Sender::default(),
            served: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes a new state of all proxies, and tells those that are attached what changed for them. Revisions grow.
    pub fn adopt(&mut self, compiled: Arc<Compiled>, accepted: Accepted) -> Vec<News> {
        let ran = Some(self.revision);
        self.compiled = compiled;
        self.revision = accepted.revision;
        self.rollouts.begin(accepted);
        let wanted: BTreeSet<(ProxyKey, Family)> = self.publisher.wanted().into_iter().collect();
        let left: Vec<_> = self.served.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
        left.iter().for_each(|key| self.left(key));
        let mut news = Vec::new();
        for key in wanted {
            let proxy = key.0.clone();
            let told = self.tell(key, ran);
            if matches!(told, Some(News::Published { .. })) {
                self.rollouts.told(&proxy);
            }
            news.extend(told);
        }
        self.changes.send_modify(|count| *count += 1);
        news
    }

    /// Tells proxies that attached what they should run, and forgets those that left.
    pub fn attend(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        for (key, attached) in self.publisher.take_moved() {
            if attached {
                news.extend(self.tell(key, None));
            } else {
                self.left(&key);
            }
        }
        news
    }

    /// Takes note of what proxies did since the last look, which moves rollouts on.
    pub fn observe(&mut self, statuses: &Statuses) -> Vec<Happening> {
        let mut happened = Vec::new();
        let mut moved = false;
        for (proxy, status) in statuses.take_changed() {
            let Some(status) = status else {
                self.seen.remove(&proxy);
                continue;
            };
            happened.extend(happening::of(&proxy, self.seen.get(&proxy), &status));
            moved |= match (self.is_live(&proxy, &status), status.accepted_at) {
                (true, Some(at)) => self.rollouts.live(&proxy, at),
                _ => self.rollouts.behind(&proxy, &status),
            };
            self.seen.insert(proxy, status);
        }
        if moved {
            self.changes.send_modify(|count| *count += 1);
        }
        happened
    }

    /// Whether a proxy says that it runs what it was told last.
    fn is_live(&self, proxy: &ProxyKey, status: &ProxyStatus) -> bool {
        let family = status.connection.as_ref().map(|connection| connection.dialect);
        let served = family.and_then(|family| self.served.get(&(proxy.clone(), family)));
        status.is_in_sync() && served.is_some_and(|served| status.accepted == Some(served.version))
    }

    fn left(&mut self, key: &(ProxyKey, Family)) {
        // what it was told grows old: when it comes back it waits for what is new
        self.publisher.retract(&key.0, key.1);
        self.served.remove(key);
        self.waiting.remove(&key.0);
    }

    /// Tells one proxy what it should run, if that is new. `ran` is the revision before this one.
    fn tell(&mut self, key: (ProxyKey, Family), ran: Option<Revision>) -> Option<News> {
        let compiled = Arc::clone(&self.compiled);
        let (proxy, family) = &key;
        let Some(found) = compiled.proxies.get(proxy) else {
            self.served.remove(&key);
            self.publisher.retract(proxy, *family);
            self.rollouts.forget(proxy);
            let proxy = key.0;
            return self.waiting.insert(proxy.clone()).then_some(News::Unknown { proxy });
        };
        self.waiting.remove(proxy);
        let before = self.served.get(&key);
        if before.is_some_and(|served| Arc::ptr_eq(&served.plan, &found.plan) || served.plan == found.plan) {
            return None;
        }
        let CompiledProxy { plan, told, reads: _ } = found;
        let Said { resources, notes } = match told.said(*family) {
            Ok(said) => said.clone(),
            Err(problem) => return Some(News::Unsayable { proxy: key.0, problem: problem.clone() }),
        };
        let old_notes = before.map(|served| served.notes.as_slice()).unwrap_or_default();
        let new_notes = notes.iter().filter(|note| !old_notes.contains(note)).cloned().collect();
        if let Some(served) = before.filter(|served| served.resources == resources) {
            let served = Served { plan: Arc::clone(plan), notes, ..served.clone() };
            self.served.insert(key, served);
            return None;
        }
        let version = resources.version();
        let ran_it = before.is_some_and(|served| {
            self.seen.get(proxy).is_some_and(|it| it.is_in_sync() && it.accepted == Some(served.version))
        });
        let ran = if ran_it { ran } else { before.and_then(|served| served.ran) };
        self.publisher.publish(proxy, *family, Arc::clone(&resources));
        let revision = self.revision;
        let served = Served { plan: Arc::clone(plan), resources, revision, notes, version, ran };
        self.served.insert(key.clone(), served);
        Some(News::Published { proxy: key.0, notes: new_notes })
    }

    /// The newest revision that a proxy runs; `None`: none that this process knows of.
    pub fn runs(&self, proxy: &ProxyKey) -> Option<Revision> {
        let status = self.seen.get(proxy)?;
        if self.is_live(proxy, status) {
            return Some(self.revision);
        }
        let family = status.connection.as_ref()?.dialect;
        self.served.get(&(proxy.clone(), family))?.ran
    }

    /// How far a revision has come; of several that were adopted together, all have come equally far. `None` while it is
    /// not adopted. Of the revisions before the last 32 the oldest of these answers.
    pub fn rollout(&self, revision: Revision) -> Option<Rollout> {
        self.rollouts.of(revision)
    }

    /// How far the last 32 revisions have come, the newest last.
    pub fn rollouts(&self) -> impl DoubleEndedIterator<Item = Rollout> {
        self.rollouts.all()
    }

    /// Changes whenever a revision is adopted or a rollout moves on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How Envoy is told what it must do.
    pub fn envoy(&self) -> EnvoyOptions {
        self.compiled.envoy()
    }

    /// All proxies as they should be.
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// The revision that was adopted last; [`Revision::ZERO`]: none yet.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What each attached and known proxy was told last.
    pub fn served(&self) -> &BTreeMap<(ProxyKey, Family), Served> {
        &self.served
    }
}

#[cfg(test)]
mod tests;
