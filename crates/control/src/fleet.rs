//! What every attached proxy should run, in its own words, kept at what the resources say.
//!
//! ```text
//!  Compiled ──adopt──▶ Fleet ──(differs from what it was told?)──▶ Publisher ⇢ streams ⇢ proxies
//!  a proxy attaches ──attend──┘  │                                                  │
//!                                │◀───────────observe────────── Statuses ◀── ACK, NACK
//!                                └──▶ Standing: one whole value, for everyone who asks
//! ```
//!
//! Only what somebody wants is said to an Envoy, and only when its plan changed. It opens no socket and has no clock.

mod happening;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use change::Revision;
use change::compile::{Compiled, CompiledProxy, Said, Unsayable};
use change::report::Served;
use change::rollout::Accepted;
use change::status::ProxyStatus;
use plan::ProxyId;
use tokio::sync::watch;
use xds::Family;

use crate::discovery::{Package, Publisher, Statuses};

pub use happening::{Did, Happening};
pub use standing::Standing;

/// The proxies that attach to this control plane, and what they were told. Who looks from outside has a [`Standing`].
#[derive(Debug)]
pub struct Fleet {
    publisher: Arc<Publisher>,
    standing: Standing,
    /// The proxies as they were seen last.
    seen: BTreeMap<ProxyId, ProxyStatus>,
    /// Attached proxies that no Dataplane is there for.
    waiting: BTreeSet<ProxyId>,
    published: watch::Sender<Arc<Standing>>,
}

/// What came of a look at who is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A proxy is told something new.
    Published {
        /// The proxy.
        proxy: ProxyId,
        /// What it could not be told as asked, in words, and was not told before.
        notes: Vec<String>,
    },
    /// A proxy attached, and no Dataplane has its name: it waits, or keeps what it runs.
    Unknown {
        /// The proxy.
        proxy: ProxyId,
    },
    /// A plan cannot be said in the dialect: a mistake of ours. The proxy keeps what it runs.
    Unsayable {
        /// The proxy.
        proxy: ProxyId,
        /// What is wrong, with the place.
        problem: Unsayable,
    },
}

impl Fleet {
    /// A fleet that publishes to `publisher`, with nothing to say yet.
    pub fn new(publisher: Arc<Publisher>, nothing: Compiled) -> Self {
        let standing = Standing {
            revision: Revision::ZERO,
            epoch: None,
            compiled: Arc::new(nothing),
            served: Arc::default(),
            rollouts: Default::default(),
        };
        let published = watch::Sender::new(Arc::new(standing.clone()));
        Self { publisher, standing, seen: BTreeMap::new(), waiting: BTreeSet::new(), published }
    }

    /// How the fleet stands, as of its last step: whole, and there for everybody without waiting. It changes whenever a
    /// revision is adopted, a proxy is told something, or a rollout moves on.
    pub fn standing(&self) -> watch::Receiver<Arc<Standing>> {
        self.published.subscribe()
    }

    fn publish(&self) {
        self.published.send_replace(Arc::new(self.standing.clone()));
    }

    /// Takes a new state of all proxies, and tells those that are attached what changed for them. Revisions grow.
    pub fn adopt(&mut self, compiled: Arc<Compiled>, accepted: Accepted) -> Vec<News> {
        let ran = Some(self.standing.revision);
        self.standing.compiled = compiled;
        self.standing.revision = accepted.revision;
        self.standing.epoch.clone_from(&accepted.epoch);
        self.standing.rollouts.begin(accepted);
        let wanted: BTreeSet<(ProxyId, Family)> = self.publisher.wanted().into_iter().collect();
        let left: Vec<_> =
            self.standing.served.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
        left.iter().for_each(|key| self.left(key));
        let mut news = Vec::new();
        for key in wanted {
            let before = self.standing.served.get(&key).map(|served| Arc::clone(&served.resources));
            let told = self.tell(key.clone(), ran);
            if matches!(told, Some(News::Published { .. }))
                && let Some(now) = self.standing.served.get(&key)
            {
                let before = before.unwrap_or_default();
                let touched = now.resources.differing(&before);
                let touched = touched.map(|(type_url, name)| (type_url.clone(), name.into())).collect();
                self.standing.rollouts.told(&key.0, touched);
            }
            news.extend(told);
        }
        self.publish();
        news
    }

    /// Tells proxies that attached what they should run, and forgets those that left.
    pub fn attend(&mut self) -> Vec<News> {
        let moved = self.publisher.take_moved();
        if moved.is_empty() {
            return Vec::new();
        }
        let mut news = Vec::new();
        for (key, attached) in moved {
            if attached {
                news.extend(self.tell(key, None));
            } else {
                self.left(&key);
            }
        }
        self.publish();
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
            moved |= match (self.standing.is_live(&proxy, &status), status.accepted_at) {
                (true, Some(at)) => self.standing.rollouts.live(&proxy, at),
                _ => {
                    let settled = self.standing.is_settled(&proxy, &status);
                    self.standing.rollouts.behind(&proxy, &status, settled)
                }
            };
            self.seen.insert(proxy, status);
        }
        if moved {
            self.publish();
        }
        happened
    }

    fn left(&mut self, key: &(ProxyId, Family)) {
        // what it was told grows old: when it comes back it waits for what is new
        self.publisher.retract(&key.0, key.1);
        Arc::make_mut(&mut self.standing.served).remove(key);
        self.waiting.remove(&key.0);
    }

    /// Tells one proxy what it should run, if that is new. `ran` is the revision before this one.
    fn tell(&mut self, key: (ProxyId, Family), ran: Option<Revision>) -> Option<News> {
        let compiled = Arc::clone(&self.standing.compiled);
        let (proxy, family) = &key;
        let Some(found) = compiled.proxies.get(proxy) else {
            Arc::make_mut(&mut self.standing.served).remove(&key);
            self.publisher.retract(proxy, *family);
            self.standing.rollouts.forget(proxy);
            let proxy = key.0;
            return self.waiting.insert(proxy.clone()).then_some(News::Unknown { proxy });
        };
        self.waiting.remove(proxy);
        let before = self.standing.served.get(&key).cloned();
        if before
            .as_ref()
            .is_some_and(|served| Arc::ptr_eq(&served.plan, &found.plan) || served.plan == found.plan)
        {
            return None;
        }
        let CompiledProxy { plan, told, reads: _ } = found;
        let Said { resources, notes } = match told.said(*family) {
            Ok(said) => said.clone(),
            Err(problem) => return Some(News::Unsayable { proxy: key.0, problem: problem.clone() }),
        };
        let old_notes = before.as_ref().map(|served| served.notes.as_slice()).unwrap_or_default();
        let new_notes = notes.iter().filter(|note| !old_notes.contains(note)).cloned().collect();
        let served = Arc::make_mut(&mut self.standing.served);
        // whom it believes may differ where nothing else does
        let package = Package {
            set: Arc::clone(&resources),
            identities: plan.identities().into_iter().cloned().collect(),
            outside: plan.external_secrets(),
        };
        if let Some(before) = before.as_ref().filter(|before| before.resources == resources) {
            self.publisher.publish_package(proxy, *family, package);
            let same = Served { plan: Arc::clone(plan), notes, ..(**before).clone() };
            served.insert(key, Arc::new(same));
            return None;
        }
        let version = resources.version();
        let status = self.seen.get(proxy);
        let ran_it =
            before.as_ref().is_some_and(|before| status.is_some_and(|status| before.is_run_by(status)));
        let ran = if ran_it { ran } else { before.and_then(|before| before.ran) };
        self.publisher.publish_package(proxy, *family, package);
        let revision = self.standing.revision;
        let new = Served { plan: Arc::clone(plan), resources, revision, notes, version, ran };
        served.insert(key.clone(), Arc::new(new));
        Some(News::Published { proxy: key.0, notes: new_notes })
    }

    /// The revision that was adopted last; [`Revision::ZERO`]: none yet.
    pub fn revision(&self) -> Revision {
        self.standing.revision
    }
}

#[cfg(test)]
mod tests;
