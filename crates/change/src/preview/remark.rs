//! Remarks about a change: problems after it that do not exist before it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::{Problem, Severity};
use plan::{Listener, Plan};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use xds::Family;

use super::State;
use crate::compile::{CompiledProxy, Row, dangling, rows, shared_addresses, unsayable, warnings};

/// Limit on remarks about a change.
const REMARKS: usize = 100;

/// Remark for the operator before a change is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Remark {
    /// `error`: the change could not come into force; `warning`: it could.
    pub severity: Severity,
    /// Subject: the resource, as `Kind mesh/name`, or the listener, as `outbound redis`; empty: no single one.
    pub about: String,
    /// Kind of the remark.
    pub kind: RemarkKind,
}

/// Kind of a remark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum RemarkKind {
    /// Problem with a resource, or with the configuration of a proxy.
    Problem {
        /// Message, with the field.
        message: String,
        /// Suggested action; `None`: none.
        help: Option<String>,
    },
    /// Route that selects proxies and decides nothing on any of them.
    DecidesNothing {
        /// Reason.
        why: String,
    },
    /// Split whose weights are all 0: every connection is refused.
    EveryWeightIsZero {
        /// Number of proxies that have it.
        proxies: usize,
    },
    /// Share of a split that is refused, as its backend has no endpoint.
    NoEndpoint {
        /// BackendRef, without its kind.
        backend: String,
        /// Share of all connections, in whole percent.
        percent: u8,
        /// Number of proxies that have it.
        proxies: usize,
    },
    /// Further remarks, which are left out.
    More {
        /// Number of them.
        count: usize,
    },
}

impl RemarkKind {
    /// Suggested action; `None`: none.
    pub fn help(&self) -> Option<&str> {
        match self {
            RemarkKind::Problem { help, .. } => help.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for RemarkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |f: &mut fmt::Formatter<'_>, proxies: &usize| match proxies {
            1 => write!(f, " (1 proxy)"),
            proxies => write!(f, " ({proxies} proxies)"),
        };
        match self {
            RemarkKind::Problem { message, help: _ } => f.write_str(message),
            RemarkKind::DecidesNothing { why } => write!(f, "decides nothing: {why}"),
            RemarkKind::EveryWeightIsZero { proxies } => {
                write!(f, "every weight is 0: every connection is refused")?;
                counted(f, proxies)
            }
            RemarkKind::NoEndpoint { backend, percent, proxies } => {
                write!(f, "{backend} has no endpoint: its {percent}% of connections are refused")?;
                counted(f, proxies)
            }
            RemarkKind::More { count } => write!(f, "and {count} more"),
        }
    }
}

impl fmt::Display for Remark {
    /// `warning: MeshTCPRoute default/canary: …`, with the suggested action below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, about, kind } = self;
        match about.is_empty() || kind.names(about) {
            true => writeln!(f, "{severity}: {kind}")?,
            false => writeln!(f, "{severity}: {about}: {kind}")?,
        }
        kind.help().map_or(Ok(()), |help| writeln!(f, "  help: {help}"))
    }
}

impl RemarkKind {
    /// Returns `true` if the text begins with its subject.
    fn names(&self, about: &str) -> bool {
        matches!(self, RemarkKind::Problem { message, .. } if message.starts_with(about))
    }
}

/// Serialized remark: its members, and beside them its text for display.
#[derive(Serialize, JsonSchema)]
struct Shown<'a> {
    severity: Severity,
    /// Subject: the resource, as `Kind mesh/name`, or the listener, as `outbound redis`; empty: no single one.
    about: &'a str,
    kind: &'a RemarkKind,
    /// Text of the remark.
    text: String,
    /// Suggested action, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

impl JsonSchema for Remark {
    fn schema_name() -> Cow<'static, str> {
        "Remark".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Shown::json_schema(generator)
    }
}

impl Serialize for Remark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { severity, about, kind } = self;
        Shown { severity: *severity, about, kind, text: kind.to_string(), help: kind.help() }
            .serialize(serializer)
    }
}

/// New problems of the proposed state that the one in force does not have: errors first, the first hundred of them, and
/// the number of further ones.
pub fn remarks(in_force: &State, proposed: &State) -> Vec<Remark> {
    let known: BTreeSet<Remark> = of_state(in_force, in_force).into_iter().collect();
    let mut new: Vec<Remark> =
        of_state(proposed, in_force).into_iter().filter(|remark| !known.contains(remark)).collect();
    new.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
    new.dedup();
    counted(new)
}

/// First remarks, and one with the number of further ones, as severe as the worst of those.
fn counted(mut remarks: Vec<Remark>) -> Vec<Remark> {
    let rest = remarks.split_off(remarks.len().min(REMARKS));
    remarks.extend(rest.first().map(|worst| Remark {
        severity: worst.severity,
        about: String::new(),
        kind: RemarkKind::More { count: rest.len() },
    }));
    remarks
}

/// Remarks about a state that replaces another.
fn of_state(state: &State, before: &State) -> Vec<Remark> {
    let State { ledger, compiled } = state;
    let nowhere = dangling(&compiled.snapshot, ledger);
    let warnings = warnings(compiled, &nowhere, ledger, &[Family::L4]);
    let warnings = warnings.into_iter().chain(shared_addresses(compiled, &ledger.instead_of(&before.ledger)));
    let unsayable = unsayable(compiled, ledger, Severity::Error);
    let mut found: Vec<Remark> = warnings.chain(unsayable).map(of_problem).collect();
    found.extend(compiled.idle_routes().into_iter().map(|(route, why)| Remark {
        severity: Severity::Warning,
        about: route,
        kind: RemarkKind::DecidesNothing { why },
    }));
    found.extend(of_splits(state));
    found
}

/// Remarks about splits that lose connections: no backend can be chosen, or a chosen backend has no endpoint. One
/// remark for all proxies concerned.
fn of_splits(state: &State) -> Vec<Remark> {
    // by listener and backend; no backend: every weight is 0
    let mut lost: BTreeMap<(String, Option<(String, u8)>), usize> = BTreeMap::new();
    for CompiledProxy { plan, .. } in state.compiled.proxies.values() {
        for row in rows(plan).iter().filter(|row| row.decided_by.is_some()) {
            for backend in lost_connections(plan, row) {
                *lost.entry((row.title(), backend)).or_default() += 1;
            }
        }
    }
    let remark = |((about, backend), proxies)| Remark {
        severity: Severity::Warning,
        about,
        kind: match backend {
            None => RemarkKind::EveryWeightIsZero { proxies },
            Some((backend, percent)) => RemarkKind::NoEndpoint { backend, percent, proxies },
        },
    };
    lost.into_iter().map(remark).collect()
}

/// Backends of a row that lose their share, with it; `None`: all weights are 0, and everything is lost.
fn lost_connections(plan: &Plan, row: &Row) -> Vec<Option<(String, u8)>> {
    if !row.split.is_empty() && row.split.iter().all(|share| share.weight == 0) {
        return vec![None];
    }
    let of_row =
        |listener: &&Arc<Listener>| listener.name == row.listener && listener.destination().is_some();
    let route = plan.listeners.iter().find(of_row).and_then(|outbound| outbound.routes().next());
    let backends = route.map(|route| route.split.as_slice()).unwrap_or_default();
    let without_endpoint = |cluster: &str| {
        plan.clusters.get(cluster).is_some_and(|it| it.endpoints.is_empty() && it.direct.is_none())
    };
    row.split
        .iter()
        .zip(backends)
        .filter(|(share, backend)| share.percent > 0.0 && backend.cluster().is_some_and(without_endpoint))
        .map(|(share, _)| Some((share.backend.clone(), share.percent.round_ties_even() as u8)))
        .collect()
}

pub(super) fn of_problem(problem: Problem) -> Remark {
    let Problem { source: _, position: _, severity, resource, violation, help } = problem;
    let kind = RemarkKind::Problem { message: violation.to_string(), help };
    Remark { severity, about: resource.unwrap_or_default(), kind }
}
