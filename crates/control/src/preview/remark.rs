//! What would be wrong or doubtful after a change that is not so before it.

use std::collections::{BTreeMap, BTreeSet};

use model::{Problem, Severity};
use plan::Plan;
use serde::Serialize;
use xds::Family;

use super::State;
use crate::compile::{CompiledProxy, Row, dangling, rows, shared_addresses, unsayable, warnings};

/// How many remarks are made about a change.
const REMARKS: usize = 100;

/// One thing that the operator should know before a change is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    /// `error`: the change could not come into force; `warning`: it could.
    pub severity: &'static str,
    /// The resource, or the listener, that it is about.
    pub about: String,
    /// What it is, in words.
    pub text: String,
    /// What to do; empty when there is nothing to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
}

/// What would be wrong or doubtful in the proposed state and is not so in the one in force: errors first, the first
/// hundred of them, and how many more there are.
pub fn remarks(in_force: &State, proposed: &State) -> Vec<Remark> {
    let known: BTreeSet<Remark> = of_state(in_force).into_iter().collect();
    let mut new: Vec<Remark> =
        of_state(proposed).into_iter().filter(|remark| !known.contains(remark)).collect();
    new.sort();
    new.dedup();
    counted(new)
}

/// The first remarks, and one about how many more there are, as bad as the worst of those.
fn counted(mut remarks: Vec<Remark>) -> Vec<Remark> {
    let rest = remarks.split_off(remarks.len().min(REMARKS));
    remarks.extend(rest.first().map(|worst| Remark {
        severity: worst.severity,
        about: String::new(),
        text: format!("and {} more", rest.len()),
        help: String::new(),
    }));
    remarks
}

fn of_state(state: &State) -> Vec<Remark> {
    let State { candidate, compiled } = state;
    let nowhere = dangling(&compiled.snapshot, candidate);
    let warnings = warnings(compiled, &nowhere, candidate, &[Family::L4]);
    let warnings = warnings.into_iter().chain(shared_addresses(compiled, candidate));
    let unsayable = unsayable(compiled, candidate, Severity::Error);
    let mut found: Vec<Remark> = warnings.chain(unsayable).map(remark).collect();
    found.extend(compiled.idle_routes().into_iter().map(|(route, why)| Remark {
        severity: "warning",
        about: route,
        text: format!("decides nothing: {why}"),
        help: String::new(),
    }));
    found.extend(of_splits(state));
    found
}

/// Splits that lose connections: nobody can be chosen, or a chosen backend has no endpoint. Told once for all proxies
/// that it concerns.
fn of_splits(state: &State) -> Vec<Remark> {
    let mut lost: BTreeMap<(String, String), usize> = BTreeMap::new();
    for CompiledProxy { plan, .. } in state.compiled.proxies.values() {
        for row in rows(plan).iter().filter(|row| row.decided_by.is_some()) {
            for text in lost_connections(plan, row) {
                *lost.entry((row.title(), text)).or_default() += 1;
            }
        }
    }
    let remark = |((about, text), proxies): ((String, String), usize)| Remark {
        severity: "warning",
        about,
        text: match proxies {
            1 => format!("{text} (1 proxy)"),
            proxies => format!("{text} ({proxies} proxies)"),
        },
        help: String::new(),
    };
    lost.into_iter().map(remark).collect()
}

fn lost_connections(plan: &Plan, row: &Row) -> Vec<String> {
    if !row.split.is_empty() && row.split.iter().all(|share| share.weight == 0) {
        return vec!["every weight is 0: every connection is refused".to_owned()];
    }
    let of_row = |listener: &&std::sync::Arc<plan::Listener>| {
        listener.name == row.listener && listener.destination().is_some()
    };
    let route = plan.listeners.iter().find(of_row).and_then(|outbound| outbound.routes().next());
    let backends = route.map(|route| route.split.as_slice()).unwrap_or_default();
    let without_endpoint = |cluster: &str| {
        plan.clusters.get(cluster).is_some_and(|it| it.endpoints.is_empty() && it.direct.is_none())
    };
    row.split
        .iter()
        .zip(backends)
        .filter(|(share, backend)| share.percent > 0.0 && backend.cluster().is_some_and(without_endpoint))
        .map(|(share, _)| {
            format!("{} has no endpoint: its {:.0}% of connections are refused", share.backend, share.percent)
        })
        .collect()
}

fn remark(problem: Problem) -> Remark {
    let Problem { source: _, position: _, severity, resource, violation, help } = problem;
    Remark {
        severity: if severity == Severity::Error { "error" } else { "warning" },
        about: resource.unwrap_or_default(),
        text: violation.to_string(),
        help: help.unwrap_or_default(),
    }
}
