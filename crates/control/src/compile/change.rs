//! What changed for whom, in words: two plans compared.

use std::collections::BTreeMap;
use std::fmt;

use model::ProxyKey;
use plan::Plan;

use super::{Compiled, Row, rows};

/// One thing that became different for one proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The proxy.
    pub proxy: ProxyKey,
    /// What became different.
    pub what: What,
}

/// What became different.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A proxy is planned that was not.
    ProxyAdded {
        /// How many listeners it has.
        listeners: usize,
    },
    /// A proxy is not planned any more.
    ProxyRemoved,
    /// A listener came.
    ListenerAdded(Row),
    /// A listener went.
    ListenerRemoved(Row),
    /// Where a listener's connections go, or who decides that.
    Split {
        /// As it was.
        before: Row,
        /// As it is.
        after: Row,
    },
    /// Who offers a service.
    Endpoints {
        /// The service.
        service: String,
        /// Addresses that came.
        added: Vec<String>,
        /// Addresses that went.
        removed: Vec<String>,
    },
    /// Something that has no words of its own: timeouts, limits, logs.
    Settings,
}

/// What is different between two states, by proxy. Empty exactly when every proxy is told the same.
pub fn changes(before: &Compiled, after: &Compiled) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, proxy) in &after.proxies {
        let is = |what| Change { proxy: key.clone(), what };
        match before.proxies.get(key) {
            None => changes.push(is(What::ProxyAdded { listeners: rows(&proxy.plan).len() })),
            Some(old) if old.resources == proxy.resources => {}
            Some(old) => {
                let mut found = of_listeners(&old.plan, &proxy.plan);
                found.extend(of_endpoints(&old.plan, &proxy.plan));
                if found.is_empty() {
                    found.push(What::Settings);
                }
                changes.extend(found.into_iter().map(is));
            }
        }
    }
    let removed = before.proxies.keys().filter(|key| !after.proxies.contains_key(*key));
    changes.extend(removed.map(|key| Change { proxy: key.clone(), what: What::ProxyRemoved }));
    changes
}

fn of_listeners(before: &Plan, after: &Plan) -> Vec<What> {
    let by_name = |plan: &Plan| -> BTreeMap<String, Row> {
        rows(plan).into_iter().map(|row| (row.listener.clone(), row)).collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    let mut found = Vec::new();
    for (name, after) in &new {
        match old.get(name) {
            None => found.push(What::ListenerAdded(after.clone())),
            Some(before) if before == after => {}
            Some(before) => found.push(What::Split { before: before.clone(), after: after.clone() }),
        }
    }
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    found.extend(gone.map(|(_, row)| What::ListenerRemoved(row.clone())));
    found
}

fn of_endpoints(before: &Plan, after: &Plan) -> Vec<What> {
    let addresses = |plan: &Plan, cluster: &str| -> Vec<String> {
        let endpoints = plan.clusters.get(cluster).map(|cluster| cluster.endpoints.as_slice());
        let address = |endpoint: &plan::Endpoint| format!("{}:{}", endpoint.address, endpoint.port);
        endpoints.unwrap_or_default().iter().map(address).collect()
    };
    let mut found = Vec::new();
    // a cluster that came or went did so with its backend, which has its own line
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
            found.push(What::Endpoints { service, added, removed });
        }
    }
    found
}

impl fmt::Display for Change {
    /// `default/web-1 outbound ledger: 90/10 → 50/50, now by MeshTCPRoute default/canary`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, what } = self;
        write!(f, "{proxy} ")?;
        match what {
            What::ProxyAdded { listeners: 1 } => write!(f, "added, with 1 listener"),
            What::ProxyAdded { listeners } => write!(f, "added, with {listeners} listeners"),
            What::ProxyRemoved => write!(f, "removed"),
            What::ListenerAdded(row) => {
                write!(f, "{}: added at {}, → {}", row.title(), row.address, row.split_in_words())?;
                by(f, row)
            }
            What::ListenerRemoved(row) => write!(f, "{}: removed from {}", row.title(), row.address),
            What::Split { before, after } => split(f, before, after),
            What::Endpoints { service, added, removed } => {
                write!(f, "endpoints of {service}:")?;
                added.iter().try_for_each(|address| write!(f, " +{address}"))?;
                removed.iter().try_for_each(|address| write!(f, " -{address}"))
            }
            What::Settings => write!(f, "settings changed"),
        }
    }
}

fn split(f: &mut fmt::Formatter<'_>, before: &Row, after: &Row) -> fmt::Result {
    let names = |row: &Row| row.split.iter().map(|share| share.backend.clone()).collect::<Vec<_>>();
    let usable = |row: &Row| row.split.len() > 1 && row.split.iter().all(|share| share.unusable.is_none());
    let refused = |row: &Row| row.split.iter().all(|share| share.percent == 0.0);
    let short = names(before) == names(after) && usable(before) && usable(after);
    let (from, to) = if short && !refused(before) && !refused(after) {
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
