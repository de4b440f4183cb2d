//! Changes of proxies in words: the configuration is compared in every dialect, and described by the plans.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use plan::{Mtls, Plan, ProxyId};
use xds::Family;

use super::{Compiled, CompiledProxy, Row, carried, parallel, rows};

/// Change of one proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyChange {
    /// Proxy.
    pub proxy: ProxyId,
    /// Kind of the change.
    pub what: ProxyChangeKind,
    /// Only dialect in which the configuration of the proxy changes; `None`: both, or that of the proxy.
    pub only: Option<Family>,
}

impl ProxyChange {
    /// Policy that now decides the destination of the listener's connections, as `Kind mesh/name`; `None`: no policy,
    /// or no listener is concerned.
    pub fn decided_by(&self) -> Option<&str> {
        match &self.what {
            ProxyChangeKind::ListenerAdded(row)
            | ProxyChangeKind::ListenerRemoved(row)
            | ProxyChangeKind::Split { before: _, after: row } => row.decided_by.as_deref(),
            ProxyChangeKind::ProxyAdded { .. }
            | ProxyChangeKind::ProxyRemoved
            | ProxyChangeKind::Endpoints { .. }
            | ProxyChangeKind::MeshTls { .. }
            | ProxyChangeKind::Settings => None,
        }
    }
}

/// Kind of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum ProxyChangeKind {
    /// A proxy is planned for the first time.
    ProxyAdded {
        /// Number of its listeners.
        listeners: usize,
    },
    /// A proxy is no longer planned.
    ProxyRemoved,
    /// A listener was added.
    ListenerAdded(Row),
    /// A listener was removed.
    ListenerRemoved(Row),
    /// The split of a listener, or the policy that decides it, changed.
    Split {
        /// Previous row.
        before: Row,
        /// New row.
        after: Row,
    },
    /// The endpoints of a service changed.
    Endpoints {
        /// Service.
        service: String,
        /// Added addresses.
        added: Vec<String>,
        /// Removed addresses.
        removed: Vec<String>,
    },
    /// TLS between proxies of the mesh changed.
    MeshTls {
        /// Previous TLS, in words.
        before: String,
        /// New TLS, in words.
        after: String,
    },
    /// Other settings changed: timeouts, limits, logs.
    Settings,
}

/// Changes between two states, by proxy. Empty exactly if the configuration of every proxy is the same.
///
/// `family` returns the dialect of a proxy; `None`: unknown, and both are compared. The configuration in a dialect is a
/// function of the plan, so that only plans that differ are encoded.
pub fn changes(
    before: &Compiled,
    after: &Compiled,
    family: impl Fn(&ProxyId) -> Option<Family>,
) -> Vec<ProxyChange> {
    let mut changes = Vec::new();
    let mut differ = Vec::new();
    for (key, proxy) in &after.proxies {
        match before.proxies.get(key) {
            None => {
                let what = ProxyChangeKind::ProxyAdded { listeners: rows(&proxy.plan).len() };
                changes.push(ProxyChange { proxy: key.clone(), what, only: None });
            }
            Some(old) if Arc::ptr_eq(&old.plan, &proxy.plan) || old.plan == proxy.plan => {}
            Some(old) => differ.push((key, family(key), old, proxy)),
        }
    }
    let of_proxies = parallel::each(&differ, |(key, family, old, new)| of_proxy(key, *family, old, new));
    changes.extend(of_proxies.into_iter().flatten());
    changes.sort_by(|a, b| a.proxy.cmp(&b.proxy));
    let removed = before.proxies.keys().filter(|key| !after.proxies.contains_key(*key));
    changes.extend(removed.map(|key| ProxyChange {
        proxy: key.clone(),
        what: ProxyChangeKind::ProxyRemoved,
        only: None,
    }));
    changes
}

/// Changes of one proxy whose plan differs.
fn of_proxy(
    key: &ProxyId,
    family: Option<Family>,
    before: &CompiledProxy,
    after: &CompiledProxy,
) -> Vec<ProxyChange> {
    let differs = |family| !before.told.is_same(&after.told, family);
    let only = match family {
        // the Envoy form is of no interest here, and costs more than all the rest
        Some(Family::L4) if differs(Family::L4) => None,
        Some(Family::L4) => return Vec::new(),
        Some(Family::Envoy) if !differs(Family::Envoy) => return Vec::new(),
        Some(Family::Envoy) | None => match (differs(Family::L4), differs(Family::Envoy)) {
            (false, false) => return Vec::new(),
            (true, false) => Some(Family::L4),
            (false, true) => Some(Family::Envoy),
            (true, true) => None,
        },
    };
    let by_row = |rows: Vec<Row>| -> BTreeMap<String, Row> {
        rows.into_iter().map(|row| (row.listener.clone(), row)).collect()
    };
    let (old, new) = match family {
        Some(Family::L4) => (carried(before), carried(after)),
        Some(Family::Envoy) | None => (rows(&before.plan), rows(&after.plan)),
    };
    let mut found = of_listeners(&by_row(old), &by_row(new));
    found.extend(of_endpoints(&before.plan, &after.plan));
    found.extend(of_mesh_tls(&before.plan, &after.plan));
    if found.is_empty() {
        found.push(ProxyChangeKind::Settings);
    }
    found.into_iter().map(|what| ProxyChange { proxy: key.clone(), what, only }).collect()
}

fn of_listeners(old: &BTreeMap<String, Row>, new: &BTreeMap<String, Row>) -> Vec<ProxyChangeKind> {
    let mut found = Vec::new();
    for (name, after) in new {
        match old.get(name) {
            None => found.push(ProxyChangeKind::ListenerAdded(after.clone())),
            Some(before) if before == after => {}
            Some(before) => {
                found.push(ProxyChangeKind::Split { before: before.clone(), after: after.clone() })
            }
        }
    }
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    found.extend(gone.map(|(_, row)| ProxyChangeKind::ListenerRemoved(row.clone())));
    found
}

fn of_endpoints(before: &Plan, after: &Plan) -> Vec<ProxyChangeKind> {
    let addresses = |plan: &Plan, cluster: &str| -> Vec<String> {
        let endpoints = plan.clusters.get(cluster).map(|cluster| cluster.endpoints.as_slice());
        let address = |endpoint: &plan::Endpoint| format!("{}:{}", endpoint.address, endpoint.port);
        endpoints.unwrap_or_default().iter().map(address).collect()
    };
    let mut found = Vec::new();
    // a cluster that was added or removed belongs to a backend, which has its own line
    for (name, cluster) in after.clusters.iter().filter(|(name, _)| before.clusters.contains_key(*name)) {
        let (old, new) = (addresses(before, name), addresses(after, name));
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|address| !those.contains(address)).cloned().collect()
        };
        let (added, removed) = (only(&new, &old), only(&old, &new));
        if !added.is_empty() || !removed.is_empty() {
            let service = match cluster.subset.is_empty() {
                true => cluster.service.clone(),
                false => format!("{} {}", cluster.service, cluster.subset),
            };
            found.push(ProxyChangeKind::Endpoints { service, added, removed });
        }
    }
    found
}

fn of_mesh_tls(before: &Plan, after: &Plan) -> Option<ProxyChangeKind> {
    let words = |mtls: Option<&Mtls>| match mtls {
        None => "plaintext".to_owned(),
        Some(Mtls { mesh: _, permissive, identity, uris: _, trust: _, unified_names: _ }) => {
            format!("{} ({identity})", if *permissive { "PERMISSIVE" } else { "STRICT" })
        }
    };
    let (before, after) = (words(before.mtls.as_deref()), words(after.mtls.as_deref()));
    (before != after).then_some(ProxyChangeKind::MeshTls { before, after })
}

impl ProxyChange {
    /// Description of the change, without the proxy.
    pub fn words(&self) -> impl fmt::Display + '_ {
        Words(self)
    }
}

impl fmt::Display for ProxyChange {
    /// `default/web-1 outbound ledger: 90/10 → 50/50, now by MeshTCPRoute default/canary`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.proxy, Words(self))
    }
}

struct Words<'a>(&'a ProxyChange);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProxyChange { proxy: _, what, only } = self.0;
        match only {
            None => {}
            Some(Family::Envoy) => write!(f, "only for Envoy: ")?,
            Some(Family::L4) => write!(f, "only for meshtcp's own proxy: ")?,
        }
        match what {
            ProxyChangeKind::ProxyAdded { listeners: 1 } => write!(f, "added, with 1 listener"),
            ProxyChangeKind::ProxyAdded { listeners } => write!(f, "added, with {listeners} listeners"),
            ProxyChangeKind::ProxyRemoved => write!(f, "removed"),
            ProxyChangeKind::ListenerAdded(row) => {
                write!(f, "{}: added at {}, → {}", row.title(), row.address, row.split_in_words())?;
                by(f, row)
            }
            ProxyChangeKind::ListenerRemoved(row) => {
                write!(f, "{}: removed from {}", row.title(), row.address)
            }
            ProxyChangeKind::Split { before, after } => split(f, before, after),
            ProxyChangeKind::Endpoints { service, added, removed } => {
                write!(f, "endpoints of {service}:")?;
                added.iter().try_for_each(|address| write!(f, " +{address}"))?;
                removed.iter().try_for_each(|address| write!(f, " -{address}"))
            }
            ProxyChangeKind::MeshTls { before, after } => write!(f, "mesh TLS: {before} → {after}"),
            ProxyChangeKind::Settings => write!(f, "settings changed"),
        }
    }
}

fn split(f: &mut fmt::Formatter<'_>, before: &Row, after: &Row) -> fmt::Result {
    let names = |row: &Row| row.split.iter().map(|share| share.backend.clone()).collect::<Vec<_>>();
    let usable = |row: &Row| row.split.len() > 1 && row.split.iter().all(|share| share.unusable.is_none());
    let short = names(before) == names(after) && usable(before) && usable(after);
    let (from, to) = if short && !before.is_refused() && !after.is_refused() {
        (before.shares_in_words(), after.shares_in_words())
    } else {
        (before.split_in_words(), after.split_in_words())
    };
    write!(f, "{}: ", after.title())?;
    if before.destination != after.destination {
        write!(f, "was {}; ", before.destination)?;
    }
    if from == to {
        write!(f, "{to}")?
    } else {
        write!(f, "{from} → {to}")?
    }
    if before.decided_by == after.decided_by {
        return Ok(());
    }
    match &after.decided_by {
        Some(policy) => write!(f, ", now by {policy}"),
        None => write!(f, ", now without a policy"),
    }
}

fn by(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    row.decided_by.as_ref().map_or(Ok(()), |policy| write!(f, ", by {policy}"))
}
