//! Reports of control planes on one store to each other about their proxies, so that each can answer for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::ProxyId;
use serde::{Deserialize, Serialize};

use crate::Revision;
use crate::certificates::{CertificateRow, RotationOrder};
use crate::ramp::ObservedCounts;
use crate::rollout::{Progress, Rollout};
use crate::status::{ProxyStatus, TurnedAway};
use crate::traffic::ToldParts;

/// Knowledge of a control plane about one proxy that attached to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachedProxy {
    /// Status reported by the proxy.
    pub status: ProxyStatus,
    /// Revision of the last change of its configuration; `None`: it was sent none.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// `true`: it runs its last configuration, and thereby every revision that its control plane has applied.
    #[serde(default)]
    pub is_current: bool,
    /// Last revision that it ran before its last configuration; `None`: unknown.
    #[serde(default)]
    pub ran: Option<Revision>,
    /// Notes about features that its dialect could not express as asked, in words.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl AttachedProxy {
    /// Newest revision that the proxy runs; `taken_over`: the one of its control plane. `None`: unknown.
    pub fn runs(&self, taken_over: Revision) -> Option<Revision> {
        if self.is_current { Some(taken_over) } else { self.ran }
    }
}

/// Control plane, with its report to others on the same store.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica {
    /// Name: `instanceId` in its API.
    pub name: Arc<str>,
    /// Revision that it applied last.
    pub revision: Revision,
    /// Epoch of the store that the revision belongs to; `None`: there is only one, or it is not reported.
    pub epoch: Option<Arc<str>>,
    /// Proxies that have attached to it.
    pub proxies: BTreeMap<ProxyId, Arc<AttachedProxy>>,
    /// Progress of the last revisions at its proxies, newest last.
    pub rollouts: Vec<Progress>,
    /// Recently rejected clients.
    pub turned_away: Vec<TurnedAway>,
    /// Certificates of its proxies, by their names between control planes.
    pub certificates: BTreeMap<String, Arc<CertificateRow>>,
    /// Last orders to renew certificates that it received.
    pub rotations: Vec<RotationOrder>,
    /// Counters of rollouts at its proxies, by the rollouts' keys in words.
    pub ramps: BTreeMap<String, ObservedCounts>,
    /// Sums of its proxies' traffic reports.
    pub traffic: ToldParts,
}

impl Replica {
    /// Creates an empty report.
    pub fn new(name: Arc<str>) -> Self {
        Self {
            name,
            revision: Revision::ZERO,
            epoch: None,
            proxies: BTreeMap::new(),
            rollouts: Vec::new(),
            turned_away: Vec::new(),
            certificates: BTreeMap::new(),
            rotations: Vec::new(),
            ramps: BTreeMap::new(),
            traffic: ToldParts::new(),
        }
    }
}

/// Progress of a revision at the proxies of all control planes on a store. `own`: the progress here; `None`: it is not
/// applied yet.
pub fn rollout(revision: Revision, own: Option<Progress>, others: &[Replica]) -> Option<Rollout> {
    let mut all = own?;
    let mut waits_for = Vec::new();
    let epoch = all.accepted.epoch.clone();
    for replica in others {
        let is_behind = replica.epoch != epoch || replica.revision < revision;
        // a revision that was applied together with newer ones has the progress of these
        let first = replica
            .rollouts
            .iter()
            .find(|progress| progress.accepted.epoch == epoch && progress.accepted.revision >= revision);
        match first {
            Some(progress) => all.join(progress.clone()),
            None if is_behind => waits_for.push(replica.name.to_string()),
            None => {}
        }
    }
    Some(Rollout { waits_for, ..Rollout::from(all) })
}

#[cfg(test)]
mod tests;
