//! Observation of rollouts at this control plane: the plans that have them, and the reports of its proxies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use change::Entry;
use change::compile::{Applied, applied};
use change::ramp::{ConnectionCounts, ObservedCounts, SideCounts};
use change::traffic::{ConnectTimes, Counts};
use model::{ResourceKey, Spec};
use tokio::sync::watch;
use xds::Family;

use crate::discovery::Statuses;
use crate::run::Current;
use crate::telemetry::Telemetry;

/// Observer of rollouts. Shared by the job that advances them and the exchange with other control planes.
#[derive(Debug)]
pub struct RolloutObserver {
    current: watch::Receiver<Arc<Current>>,
    telemetry: Telemetry,
    statuses: Arc<Statuses>,
    // held while plans are searched, once for each state
    looked_at: Mutex<Option<Arc<Observation>>>,
}

/// Rollouts of one state, each with the proxies and destinations where it applies.
#[derive(Debug)]
pub(super) struct Observation {
    current: Arc<Current>,
    pub(super) rollouts: BTreeMap<ResourceKey, (Arc<Entry>, Applied)>,
}

impl RolloutObserver {
    /// Creates an observer of the configuration in force, and of the reports of proxies.
    pub fn new(
        current: watch::Receiver<Arc<Current>>,
        telemetry: Telemetry,
        statuses: Arc<Statuses>,
    ) -> Self {
        Self { current, telemetry, statuses, looked_at: Mutex::default() }
    }

    /// Returns the rollouts that are in force now.
    pub(super) fn look(&self) -> Arc<Observation> {
        let current = Arc::clone(&self.current.borrow());
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        match &*looked_at {
            Some(known) if Arc::ptr_eq(&known.current, &current) => Arc::clone(known),
            Some(_) | None => {
                let adopted = current.adopted.as_ref();
                let rollouts =
                    adopted.map(|(ledger, compiled)| applied(ledger, compiled)).unwrap_or_default();
                let looked = Arc::new(Observation { current, rollouts });
                *looked_at = Some(Arc::clone(&looked));
                looked
            }
        }
    }

    /// Returns the observations of each rollout here, for the others on the store, by its key in words.
    pub fn all_seen(&self) -> BTreeMap<String, ObservedCounts> {
        let looked = self.look();
        looked.rollouts.keys().map(|key| (key.to_string(), self.seen(key, &looked))).collect()
    }

    /// Returns the counts of this control plane's proxies for a rollout.
    pub(super) fn seen(&self, key: &ResourceKey, looked: &Observation) -> ObservedCounts {
        let Some((entry, applied)) = looked.rollouts.get(key) else { return ObservedCounts::default() };
        let Spec::Rollout(rollout) = entry.resource.spec() else { return ObservedCounts::default() };
        let mesh = key.mesh_or_empty();
        let mut sides = SideCounts::default();
        for (flow, counts) in self.telemetry.of_route(mesh, &format!("MeshTCPRoute {mesh}/{}", rollout.route))
        {
            let Some(backend) = flow.backend.as_deref() else { continue };
            let side = match backend {
                _ if !applied.destinations.contains(&*flow.destination) => continue,
                backend if *backend == rollout.from.to_string() => &mut sides.from,
                backend if *backend == rollout.to.to_string() => &mut sides.to,
                _ => continue,
            };
            side.add(&counted(&counts));
        }
        let is_unseen = |proxy: &&plan::ProxyId| {
            let connection = self.statuses.get(proxy).and_then(|status| status.connection);
            connection.is_some_and(|it| it.dialect != Family::L4 || !self.telemetry.is_reporting(proxy))
        };
        ObservedCounts { sides, unseen: applied.proxies.iter().filter(is_unseen).count() }
    }

    /// Returns the bucket bounds of the connect times that proxies report.
    pub(super) fn bounds(&self) -> [Duration; ConnectTimes::BOUNDS.len()] {
        ConnectTimes::BOUNDS.map(Duration::from_micros)
    }
}

fn counted(counts: &Counts) -> ConnectionCounts {
    ConnectionCounts {
        opened: counts.opened,
        connect_failures: counts.connect_failures.total(),
        refused: counts.refused.total(),
        early_resets: counts.resets_early,
        connect_times: counts.connect_times.counts.into(),
    }
}
