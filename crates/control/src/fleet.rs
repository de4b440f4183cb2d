//! Fleet: the desired configuration of every attached proxy in its dialect, kept up to date with the resources.
//!
//! ```text
//!  Compiled ──adopt──▶ Fleet ──(differs from the last one sent?)──▶ Publisher ⇢ streams ⇢ proxies
//!  a proxy attaches ──attend──┘  │                                                  │
//!                                │◀───────────observe────────── Statuses ◀── ACK, NACK
//!                                └──▶ Standing: one whole value, for all readers
//! ```
//!
//! A plan is lowered for an Envoy only while that proxy is attached, and only when the plan changed. The fleet opens no
//! socket and has no clock.

mod proxy_event;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use change::Revision;
use change::compile::{Compiled, CompiledProxy, EncodedPlan, Unsayable};
use change::report::Served;
use change::rollout::Accepted;
use change::status::ProxyStatus;
use plan::ProxyId;
use tokio::sync::watch;
use xds::Family;

use crate::discovery::{Package, Publisher, Statuses};

pub use proxy_event::{ProxyEvent, ProxyEventKind};
pub use standing::Standing;

/// Proxies that attach to this control plane, with the configurations sent to them. Readers outside use a [`Standing`].
#[derive(Debug)]
pub struct Fleet {
    publisher: Arc<Publisher>,
    standing: Standing,
    /// Statuses of the proxies at the last look.
    seen: BTreeMap<ProxyId, ProxyStatus>,
    /// Attached proxies without a Dataplane.
    waiting: BTreeSet<ProxyId>,
    published: watch::Sender<Arc<Standing>>,
}

/// Result of a look at the attached proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// A new configuration is published for a proxy.
    Published {
        /// Affected proxy.
        proxy: ProxyId,
        /// New notes on what the dialect cannot express as asked, in words.
        notes: Vec<String>,
    },
    /// A proxy attached, and no Dataplane has its name: it waits, or keeps what it runs.
    Unknown {
        /// Affected proxy.
        proxy: ProxyId,
    },
    /// A plan cannot be expressed in the dialect: a fault of the program. The proxy keeps what it runs.
    Unsayable {
        /// Affected proxy.
        proxy: ProxyId,
        /// Error, with its place.
        problem: Unsayable,
    },
}

impl Fleet {
    /// Creates a fleet that publishes to `publisher`, initially without any configuration.
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

    /// Returns the state of the fleet as of its last step: a whole value, readable without waiting. It changes whenever
    /// a revision is adopted, a configuration is published, or a rollout progresses.
    pub fn standing(&self) -> watch::Receiver<Arc<Standing>> {
        self.published.subscribe()
    }

    fn publish(&self) {
        self.published.send_replace(Arc::new(self.standing.clone()));
    }

    /// Adopts a new state of all proxies, and publishes the changes for those that are attached. Revisions grow.
    pub fn adopt(&mut self, compiled: Arc<Compiled>, accepted: Accepted) -> Vec<PublishOutcome> {
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
            if matches!(told, Some(PublishOutcome::Published { .. }))
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

    /// Publishes configurations for proxies that attached, and forgets those that left.
    pub fn attend(&mut self) -> Vec<PublishOutcome> {
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

    /// Takes over what proxies did since the last look, which advances rollouts.
    pub fn observe(&mut self, statuses: &Statuses) -> Vec<ProxyEvent> {
        let mut happened = Vec::new();
        let mut moved = false;
        for (proxy, status) in statuses.take_changed() {
            let Some(status) = status else {
                self.seen.remove(&proxy);
                continue;
            };
            happened.extend(proxy_event::of(&proxy, self.seen.get(&proxy), &status));
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
        // the published configuration gets stale: when the proxy comes back it waits for a new one
        self.publisher.retract(&key.0, key.1);
        Arc::make_mut(&mut self.standing.served).remove(key);
        self.waiting.remove(&key.0);
    }

    /// Publishes the configuration of one proxy, if it is new. `ran` is the revision before this one.
    fn tell(&mut self, key: (ProxyId, Family), ran: Option<Revision>) -> Option<PublishOutcome> {
        let compiled = Arc::clone(&self.standing.compiled);
        let (proxy, family) = &key;
        let Some(found) = compiled.proxies.get(proxy) else {
            Arc::make_mut(&mut self.standing.served).remove(&key);
            self.publisher.retract(proxy, *family);
            self.standing.rollouts.forget(proxy);
            let proxy = key.0;
            return self.waiting.insert(proxy.clone()).then_some(PublishOutcome::Unknown { proxy });
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
        let EncodedPlan { resources, notes } = match told.said(*family) {
            Ok(said) => said.clone(),
            Err(problem) => {
                return Some(PublishOutcome::Unsayable { proxy: key.0, problem: problem.clone() });
            }
        };
        let old_notes = before.as_ref().map(|served| served.notes.as_slice()).unwrap_or_default();
        let new_notes = notes.iter().filter(|note| !old_notes.contains(note)).cloned().collect();
        let served = Arc::make_mut(&mut self.standing.served);
        // the mTLS settings may differ where nothing else does
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
        Some(PublishOutcome::Published { proxy: key.0, notes: new_notes })
    }

    /// Returns the last adopted revision; [`Revision::ZERO`]: none yet.
    pub fn revision(&self) -> Revision {
        self.standing.revision
    }
}

#[cfg(test)]
mod tests;
