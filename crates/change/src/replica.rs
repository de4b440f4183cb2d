//! What control planes on one store tell each other of their proxies, so that each can answer for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::ProxyId;
use serde::{Deserialize, Serialize};

use crate::Revision;
use crate::certificates::{CertificateRow, Rotation};
use crate::ramp::Seen;
use crate::rollout::{Progress, Rollout};
use crate::status::{ProxyStatus, TurnedAway};
use crate::traffic::ToldParts;

/// What a control plane knows of one proxy that attached to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// What the proxy said.
    pub status: ProxyStatus,
    /// The revision that brought the last change of what it was told; `None`: it was told nothing.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// Whether it runs what it was told last: then it runs whatever revision its control plane has taken over.
    #[serde(default)]
    pub is_current: bool,
    /// The last revision that it ran before it was told this; `None`: none that is known.
    #[serde(default)]
    pub ran: Option<Revision>,
    /// What it could not be told as asked, in words.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Account {
    /// The newest revision that the proxy runs; `taken_over` is that of its control plane. `None`: none that is known.
    pub fn runs(&self, taken_over: Revision) -> Option<Revision> {
        if self.is_current { Some(taken_over) } else { self.ran }
    }
}

/// A control plane, and what it tells others on the same store.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica {
    /// Its name: what its API calls `instanceId`.
    pub name: Arc<str>,
    /// The revision that it has taken over last.
    pub revision: Revision,
    /// Which life of the store it is of; `None`: it has one only, or does not tell.
    pub epoch: Option<Arc<str>>,
    /// The proxies that have attached to it.
    pub proxies: BTreeMap<ProxyId, Arc<Account>>,
    /// How far the last revisions have come at them, the newest last.
    pub rollouts: Vec<Progress>,
    /// Who was turned away lately.
    pub turned_away: Vec<TurnedAway>,
    /// The certificates of its proxies, by what they are called between control planes.
    pub certificates: BTreeMap<String, Arc<CertificateRow>>,
    /// The last times that somebody asked it for new certificates.
    pub rotations: Vec<Rotation>,
    /// What it sees of rollouts at its proxies, by their keys in words.
    pub ramps: BTreeMap<String, Seen>,
    /// What its proxies report, added up.
    pub traffic: ToldParts,
}

impl Replica {
    /// Nothing is known yet of this one.
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

/// How far a revision has come at the proxies of all control planes on a store. `own` is how far it has come here; `None`:
/// it is not taken over yet.
pub fn rollout(revision: Revision, own: Option<Progress>, others: &[Replica]) -> Option<Rollout> {
    let mut all = own?;
    let mut waits_for = Vec::new();
    let epoch = all.accepted.epoch.clone();
    for replica in others {
        let is_behind = replica.epoch != epoch || replica.revision < revision;
        // what was taken over at once with newer ones has come as far as these
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
