//! Two listeners that want one address and port.
//!
//! For the one process that opens both it is a mistake, and [`conflicts`] objects. For a fleet it is none: Dataplanes may
//! be on different hosts, or one of them is what a dead proxy left behind. There [`shared_addresses`] tells it, and the
//! proxy that really cannot open its listener says so.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use model::draft::Document;
use model::topology::Dataplane;
use model::{FieldPath, Kind, Problem, ProxyKey, Severity, Spec, Violation};
use plan::{Direction, Plan};

use super::{Compiled, CompiledProxy, Sort};
use crate::store::folder::{Candidate, Objection, Offer};

/// A listener of a plan.
struct Wanted<'a> {
    proxy: &'a ProxyKey,
    name: &'a str,
    port: u16,
    sort: Sort,
}

/// Objects to every listener whose address and port another one has already: one process cannot open both.
///
/// Blame lies with the file of the later dataplane, or with that of the earlier one when only that one changed.
pub fn conflicts(compiled: &Compiled, candidate: &Candidate) -> Vec<Objection> {
    let mut objections = Vec::new();
    for (address, wanted) in contested(compiled) {
        let Some((first, others)) = wanted.split_first() else { continue };
        objections.extend(others.iter().map(|later| objection(address, first, later, candidate)));
    }
    objections
}

/// Warns of Dataplanes with one address that want one port of it, once for each: if they are on one host, only one of
/// them can open it.
pub fn shared_addresses(compiled: &Compiled, candidate: &Candidate) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for host in compiled.by_host() {
        for (address, wanted) in contested(&host) {
            let [first, second, others @ ..] = wanted.as_slice() else { continue };
            let mut problem = objection(address, first, second, candidate).problem;
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

/// The addresses that several listeners want, with those listeners in the order of their proxies.
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

fn listeners<'a>(proxy: &'a ProxyKey, plan: &'a Plan) -> impl Iterator<Item = (&'a str, Wanted<'a>)> {
    let opened = plan.listeners.iter().filter(|listener| !listener.bind.captured);
    opened.map(move |listener| {
        let sort = match listener.direction {
            Direction::Inbound | Direction::Zone => Sort::Inbound,
            Direction::Outbound(_) => Sort::Outbound,
            Direction::Gateway => Sort::Gateway,
        };
        let wanted = Wanted { proxy, name: &listener.name, port: listener.bind.port, sort };
        (listener.bind.address.as_str(), wanted)
    })
}

fn objection(
    address: SocketAddr,
    earlier: &Wanted<'_>,
    later: &Wanted<'_>,
    candidate: &Candidate,
) -> Objection {
    let offers =
        [later, earlier].map(|wanted| offer_of(wanted.proxy, candidate).map(|offer| (wanted, offer)));
    let changed = |(_, offer): &&(&Wanted<'_>, &Offer)| candidate.changed.contains(&offer.file);
    let all: Vec<(&Wanted<'_>, &Offer)> = offers.into_iter().flatten().collect();
    let (blamed, offer) = match all.iter().find(changed).or(all.first()) {
        Some((wanted, offer)) => (*wanted, Some(*offer)),
        None => (later, None),
    };
    let other = if std::ptr::eq(blamed, later) { earlier } else { later };
    let held = offer_of(other.proxy, candidate).map(|offer| format!(" ({})", offer.entry.place()));
    let field = offer.map(|offer| field(blamed, offer)).unwrap_or_default();
    let problem = Problem {
        source: offer.map(|offer| offer.file.clone()).unwrap_or_else(|| "".into()),
        position: offer.and_then(|offer| offer.entry.document.value_position(&field)),
        severity: Severity::Error,
        resource: Some(format!("Dataplane {}", blamed.proxy)),
        violation: Violation::new(
            field,
            format!(
                "{address} is wanted twice: by {} of Dataplane {} and by {} of Dataplane {}{}",
                blamed.name,
                blamed.proxy,
                other.name,
                other.proxy,
                held.unwrap_or_default()
            ),
        ),
        help: Some("give one of the two another port or address".into()),
    };
    Objection { file: offer.map(|offer| offer.file.clone()), problem }
}

fn offer_of<'a>(proxy: &ProxyKey, candidate: &'a Candidate) -> Option<&'a Offer> {
    candidate.offers.iter().find(|offer| {
        let resource = &offer.entry.resource;
        let meta = resource.meta();
        resource.kind() == Kind::Dataplane && meta.mesh == proxy.mesh && meta.name == proxy.name
    })
}

/// Where in the Dataplane the listener's port is written. The plan keeps the order of the Dataplane, but may leave
/// some out, so it is found by its port.
fn field(wanted: &Wanted<'_>, offer: &Offer) -> FieldPath {
    let networking = networking(&offer.entry.document);
    let Spec::Dataplane(dataplane) = offer.entry.resource.spec() else { return networking };
    let Dataplane { inbound, outbound, .. } = dataplane;
    match wanted.sort {
        Sort::Inbound => match inbound.iter().position(|inbound| inbound.port == wanted.port) {
            Some(index) => networking.field("inbound").index(index).field("port"),
            None => networking,
        },
        Sort::Outbound => match outbound.iter().position(|outbound| outbound.port == wanted.port) {
            Some(index) => networking.field("outbound").index(index).field("port"),
            None => networking,
        },
        Sort::Gateway => networking.field("gateway"),
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
