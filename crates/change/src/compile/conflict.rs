//! Conflicts of two listeners with the same address and port.
//!
//! For a single process that opens both this is an error, and [`conflicts`] reports it. For a fleet it is not:
//! Dataplanes may be on different hosts, or one of them is left over from a dead proxy. There [`shared_addresses`]
//! warns, and a proxy that really cannot open its listener reports that itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::draft::Document;
use model::topology::Dataplane;
use model::{FieldPath, Problem, Severity, Spec, Violation};
use plan::{Direction, Plan, ProxyId};

use super::{Compiled, CompiledProxy, ListenerDirection};
use crate::{Candidate, Entry, Ledger};

/// Listener of a plan.
struct Wanted<'a> {
    proxy: &'a ProxyId,
    name: &'a str,
    port: u16,
    sort: ListenerDirection,
}

/// Errors for listeners whose address and port another one has already: one process cannot open both.
///
/// Each error is placed in the file of the later Dataplane, or in that of the earlier one if only that one changed.
pub fn conflicts(compiled: &Compiled, Candidate { ledger, changed }: &Candidate) -> Vec<Problem> {
    let mut objections = Vec::new();
    for (address, wanted) in contested(compiled) {
        let Some((first, others)) = wanted.split_first() else { continue };
        objections.extend(others.iter().map(|later| objection(address, first, later, ledger, changed)));
    }
    objections
}

/// Warnings about Dataplanes with one address that use the same port of it, once for each: if they are on one host,
/// only one of them can open it.
pub fn shared_addresses(compiled: &Compiled, Candidate { ledger, changed }: &Candidate) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for host in compiled.by_host() {
        for (address, wanted) in contested(&host) {
            let [first, second, others @ ..] = wanted.as_slice() else { continue };
            let mut problem = objection(address, first, second, ledger, changed);
            let others = match others.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            problem.severity = Severity::Warning;
            problem
                .violation
                .message
                .push_str(&format!("{others}; of those on one host only one can open it"));
            problem.help = Some(
                "if they are on one host, give them different ports or addresses; delete the Dataplane of one that is gone"
                    .into(),
            );
            warnings.push(problem);
        }
    }
    warnings
}

/// Addresses that several listeners use, with those listeners in the order of their proxies.
fn contested(compiled: &Compiled) -> impl Iterator<Item = (SocketAddr, Vec<Wanted<'_>>)> {
    let mut all: BTreeMap<SocketAddr, Vec<Wanted<'_>>> = BTreeMap::new();
    for (proxy, CompiledProxy { plan, .. }) in &compiled.proxies {
        for (address, wanted) in listeners(proxy, plan) {
            let Ok(ip) = address.parse::<IpAddr>() else { continue };
            all.entry(SocketAddr::new(ip, wanted.port)).or_default().push(wanted);
        }
    }
    all.into_iter().filter(|(_, wanted)| wanted.len() > 1)
}

fn listeners<'a>(proxy: &'a ProxyId, plan: &'a Plan) -> impl Iterator<Item = (&'a str, Wanted<'a>)> {
    let opened = plan.listeners.iter().filter(|listener| !listener.bind.captured);
    opened.map(move |listener| {
        let sort = match listener.direction {
            Direction::Inbound | Direction::Zone => ListenerDirection::Inbound,
            Direction::Outbound(_) => ListenerDirection::Outbound,
            Direction::Gateway => ListenerDirection::Gateway,
        };
        let wanted = Wanted { proxy, name: &listener.name, port: listener.bind.port, sort };
        (listener.bind.address.as_str(), wanted)
    })
}

/// Error for one of two conflicting listeners. `changed`: sources that are known to have changed.
fn objection(
    address: SocketAddr,
    earlier: &Wanted<'_>,
    later: &Wanted<'_>,
    ledger: &Ledger,
    changed: &BTreeSet<Arc<str>>,
) -> Problem {
    let is_changed = |wanted: &Wanted<'_>| {
        ledger.of_proxy(wanted.proxy).is_some_and(|entry| changed.contains(entry.document.source()))
    };
    let (blamed, other) =
        if is_changed(later) || !is_changed(earlier) { (later, earlier) } else { (earlier, later) };
    let held = ledger.of_proxy(other.proxy).map(|entry| format!(" ({})", entry.place()));
    let entry = ledger.of_proxy(blamed.proxy);
    let field = entry.map(|entry| field(blamed, entry)).unwrap_or_default();
    let message = format!(
        "{address} is wanted twice: by {} of {} and by {} of {}{}",
        blamed.name,
        blamed.proxy.resource(),
        other.name,
        other.proxy.resource(),
        held.unwrap_or_default()
    );
    Problem {
        position: entry.and_then(|entry| entry.document.value_position(&field)),
        violation: Violation::new(field, message),
        help: Some("give one of the two another port or address".into()),
        ..ledger.problem_of_proxy(blamed.proxy, Severity::Error, "")
    }
}

/// Field of the listener's port in the Dataplane. The plan keeps the order of the Dataplane, but may leave some out, so
/// the field is found by its port.
fn field(wanted: &Wanted<'_>, entry: &Entry) -> FieldPath {
    let networking = networking(&entry.document);
    let Spec::Dataplane(dataplane) = entry.resource.spec() else { return networking.field("port") };
    let Dataplane { inbound, outbound, .. } = dataplane;
    match wanted.sort {
        ListenerDirection::Inbound => match inbound.iter().position(|inbound| inbound.port == wanted.port) {
            Some(index) => networking.field("inbound").index(index).field("port"),
            None => networking,
        },
        ListenerDirection::Outbound => {
            match outbound.iter().position(|outbound| outbound.port == wanted.port) {
                Some(index) => networking.field("outbound").index(index).field("port"),
                None => networking,
            }
        }
        ListenerDirection::Gateway => networking.field("gateway"),
    }
}

fn networking(document: &Document) -> FieldPath {
    let root = FieldPath::root();
    if document.value().get("networking").is_some() {
        root.field("networking")
    } else {
        root.field("spec").field("networking")
    }
}
