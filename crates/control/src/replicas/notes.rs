//! Encoding of a control plane's state as notes on a board.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::Revision;
use change::certificates::CertificateRow;
use change::replica::Replica;
use plan::ProxyId;
use serde::{Deserialize, Serialize};

/// Note with the identity of the control plane.
const WHO: &str = "control-plane";
/// Note with the progress of revisions.
const ROLLOUTS: &str = "rollouts";
/// Note with the rejected clients.
const TURNED_AWAY: &str = "turned-away";
/// Note with the requested rotations of certificates.
const ROTATIONS: &str = "rotations";
/// Prefix of the notes on proxies, before the proxy's name.
const PROXY: &str = "proxy/";
/// Prefix of the notes on certificates, before the certificate's name.
const CERTIFICATE: &str = "certificate/";
/// Prefix of the notes on rollouts, before the rollout's key.
const RAMP: &str = "ramp/";
/// Prefix of the notes on traffic, before the part's name.
const TRAFFIC: &str = "traffic/";
/// Limit on the published rollouts; the newest ones are kept.
const TOLD: usize = 8;

#[derive(Serialize, Deserialize)]
struct NoteHeader {
    name: Arc<str>,
    revision: Revision,
    #[serde(default)]
    epoch: Option<Arc<str>>,
}

/// Returns the notes of a control plane, by name.
pub(super) fn of(replica: &Replica) -> BTreeMap<String, String> {
    let Replica {
        name,
        revision,
        epoch,
        proxies,
        rollouts,
        turned_away,
        certificates,
        rotations,
        ramps,
        traffic,
    } = replica;
    let who = NoteHeader { name: Arc::clone(name), revision: *revision, epoch: epoch.clone() };
    let newest = &rollouts[rollouts.len().saturating_sub(TOLD)..];
    let briefly: Vec<_> = newest.iter().map(|progress| progress.clone().brief()).collect();
    let mut notes = BTreeMap::new();
    let mut leave = |name: String, value: serde_json::Result<String>| {
        // names from outside may contain characters that a board rejects
        if let Some(value) = value.ok().filter(|_| !name.contains('\0')) {
            notes.insert(name, value);
        }
    };
    leave(WHO.to_owned(), serde_json::to_string(&who));
    leave(ROLLOUTS.to_owned(), serde_json::to_string(&briefly));
    leave(TURNED_AWAY.to_owned(), serde_json::to_string(turned_away));
    leave(ROTATIONS.to_owned(), serde_json::to_string(rotations));
    for (proxy, account) in proxies {
        leave(format!("{PROXY}{proxy}"), serde_json::to_string(&**account));
    }
    for (rollout, seen) in ramps {
        leave(format!("{RAMP}{rollout}"), serde_json::to_string(seen));
    }
    for (part, told) in traffic {
        leave(format!("{TRAFFIC}{part}"), serde_json::to_string(&**told));
    }
    for (called, row) in certificates {
        let row = CertificateRow { control_plane: Some(name.to_string()), ..(**row).clone() };
        leave(format!("{CERTIFICATE}{called}"), serde_json::to_string(&row));
    }
    notes
}

/// Takes in a note of a control plane; `None`: it was removed. A note of a newer version that cannot be parsed is
/// ignored.
pub(super) fn take(replica: &mut Replica, name: &str, value: Option<&str>) {
    match (name, value) {
        (WHO, Some(value)) => {
            if let Ok(NoteHeader { name, revision, epoch }) = serde_json::from_str(value) {
                (replica.name, replica.revision, replica.epoch) = (name, revision, epoch);
            }
        }
        (ROLLOUTS, value) => replica.rollouts = read(value),
        (TURNED_AWAY, value) => replica.turned_away = read(value),
        (ROTATIONS, value) => replica.rotations = read(value),
        (name, value) if name.starts_with(RAMP) => {
            let rollout = name[RAMP.len()..].to_owned();
            match value.and_then(|value| serde_json::from_str(value).ok()) {
                Some(seen) => drop(replica.ramps.insert(rollout, seen)),
                None => drop(replica.ramps.remove(&rollout)),
            }
        }
        (name, value) if name.starts_with(TRAFFIC) => {
            let part = name[TRAFFIC.len()..].to_owned();
            match value.and_then(|value| serde_json::from_str(value).ok()) {
                Some(told) => drop(replica.traffic.insert(part, Arc::new(told))),
                None => drop(replica.traffic.remove(&part)),
            }
        }
        (name, value) if name.starts_with(CERTIFICATE) => {
            let called = name[CERTIFICATE.len()..].to_owned();
            match value.and_then(|value| serde_json::from_str(value).ok()) {
                Some(row) => drop(replica.certificates.insert(called, Arc::new(row))),
                None => drop(replica.certificates.remove(&called)),
            }
        }
        (name, value) => {
            let proxy = name.strip_prefix(PROXY).and_then(|proxy| proxy.split_once('/'));
            let Some(proxy) = proxy.map(|(mesh, name)| ProxyId::dataplane(mesh, name)) else { return };
            match value.and_then(|value| serde_json::from_str(value).ok()) {
                Some(account) => drop(replica.proxies.insert(proxy, Arc::new(account))),
                None => drop(replica.proxies.remove(&proxy)),
            }
        }
    }
}

fn read<T: Default + for<'de> Deserialize<'de>>(value: Option<&str>) -> T {
    value.and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default()
}
