//! Running state for the API: the fleet, and the state of other control planes on the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::Revision;
use change::replica::{Replica, rollout};
use change::report::{FleetReport, Question, ReportInput, report};
use change::rollout::Rollout;
use change::status::ProxyStatus;
use plan::ProxyId;
use tokio::sync::watch;
use xds::{Family, ResourceSet};

use crate::discovery::Statuses;
use crate::fleet::Standing;
use crate::identity::{Issuer, ToldToOthers};
use crate::replicas::Others;
use crate::telemetry::{ChangeSignal, Telemetry};

/// Running state and the statuses of proxies: those of this control plane, and those of the others on its store.
#[derive(Clone, Debug)]
pub struct Plane {
    name: Arc<str>,
    standing: watch::Receiver<Arc<Standing>>,
    statuses: Arc<Statuses>,
    others: watch::Receiver<Others>,
    telemetry: Telemetry,
}

/// Mark of the state that was last passed on to others.
#[derive(Clone, Debug)]
pub struct Mark {
    standing: Arc<Standing>,
    /// Number of status changes so far.
    statuses: u64,
    /// Number of recently rejected proxies: they expire by time.
    turned_away: usize,
    certificates: ToldToOthers,
}

impl Mark {
    fn is(&self, other: &Self) -> bool {
        let Self { standing, statuses, turned_away, certificates } = self;
        Arc::ptr_eq(standing, &other.standing)
            && (*statuses, *turned_away) == (other.statuses, other.turned_away)
            && certificates.is(&other.certificates)
    }
}

impl Plane {
    /// Creates a view of a fleet and of the statuses of its proxies, for a control plane without replicas.
    pub fn new(standing: watch::Receiver<Arc<Standing>>, statuses: Arc<Statuses>) -> Self {
        let (_, others) = watch::channel(Others::default());
        Self { name: "this".into(), standing, statuses, others, telemetry: Telemetry::default() }
    }

    /// Adds the other control planes on its store, who know it by this name.
    #[must_use]
    pub fn beside(self, name: Arc<str>, others: watch::Receiver<Others>) -> Self {
        Self { name, others, ..self }
    }

    /// Returns the telemetry that proxies report here.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Returns the current state of the fleet.
    pub(super) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// Returns what this control plane knows of its proxies, for the others on its store; `None`: nothing has changed
    /// since `last`.
    pub fn news(&self, issuer: &Issuer, last: Option<&Mark>) -> Option<(Mark, Replica)> {
        let statuses = *self.statuses.changes().borrow();
        let (standing, turned_away) = (self.standing(), self.statuses.turned_away().len());
        let mark = Mark { standing, statuses, turned_away, certificates: issuer.told() };
        if last.is_some_and(|last| mark.is(last)) {
            return None;
        }
        let replica = mark.certificates.beside(self.own_of(&mark.standing));
        Some((mark, replica))
    }

    fn own_of(&self, standing: &Standing) -> Replica {
        standing.replica(Arc::clone(&self.name), self.statuses.all(), self.statuses.turned_away())
    }

    /// Reports the proxies and routes that are asked about, wherever they are attached.
    pub fn report(&self, question: &Question) -> FleetReport {
        let (standing, others) = (self.standing(), self.others.borrow().clone());
        let newest = standing.rollouts.all().next_back();
        let facts = ReportInput {
            own: self.own_of(&standing),
            others: &others.replicas,
            others_unknown: others.unknown.as_deref().map(str::to_owned),
            rollout: rollout(standing.revision, newest, &others.replicas),
            compiled: &standing.compiled,
        };
        report(question, &facts)
    }

    /// Returns the progress of a revision everywhere; `None`: it has not been taken over here yet.
    pub(super) fn rollout(&self, revision: Revision) -> Option<Rollout> {
        let own = self.standing.borrow().rollouts.of(revision);
        rollout(revision, own, &self.others.borrow().replicas)
    }

    /// Returns the progress of the last revisions everywhere, the newest first.
    pub(super) fn rollouts(&self) -> Vec<Rollout> {
        let (standing, others) = (self.standing(), self.others.borrow().clone());
        let all = standing.rollouts.all().rev();
        all.filter_map(|own| rollout(own.accepted.revision, Some(own), &others.replicas)).collect()
    }

    /// Waits until something has changed, here or elsewhere, since the last call.
    pub(super) async fn moved(&mut self) {
        tokio::select! {
            ended = self.standing.changed() => if ended.is_err() { std::future::pending().await },
            ended = self.others.changed() => if ended.is_err() { std::future::pending().await },
        }
    }

    /// Returns the last configuration of a proxy, in its own dialect, wherever it is attached; `None`: there is none.
    pub(super) fn told(&self, proxy: &ProxyId) -> Option<(Family, Arc<ResourceSet>)> {
        let standing = self.standing();
        let told = |family| {
            let served = standing.served.get(&(proxy.clone(), family))?;
            Some((family, Arc::clone(&served.resources)))
        };
        let elsewhere = || {
            let family = self.status(proxy)?.connection?.dialect;
            let said = standing.compiled.proxies.get(proxy)?.told.said(family);
            Some((family, Arc::clone(&said.as_ref().ok()?.resources)))
        };
        told(Family::Envoy).or_else(|| told(Family::L4)).or_else(elsewhere)
    }

    /// Returns the status of a proxy, wherever it is attached.
    pub(super) fn status(&self, proxy: &ProxyId) -> Option<ProxyStatus> {
        let others = self.others.borrow();
        let elsewhere = others.replicas.iter().filter_map(|it| Some(it.proxies.get(proxy)?.status.clone()));
        ProxyStatus::newest(self.statuses.get(proxy).into_iter().chain(elsewhere))
    }

    /// Returns the statuses of all proxies, wherever they are attached.
    pub(super) fn statuses(&self) -> BTreeMap<ProxyId, ProxyStatus> {
        let mut all = self.statuses.all();
        for (proxy, account) in self.others.borrow().replicas.iter().flat_map(|it| &it.proxies) {
            let known = all.remove(proxy);
            let newest = ProxyStatus::newest(known.into_iter().chain([account.status.clone()]));
            all.extend(newest.map(|status| (proxy.clone(), status)));
        }
        all
    }
}

impl ChangeSignal for Plane {
    async fn moved(&mut self) {
        Plane::moved(self).await;
    }
}
