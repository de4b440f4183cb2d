//! Two listeners that want one address and port.

use std::collections::BTreeMap;
use std::net::IpAddr;

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
    let mut first: BTreeMap<(IpAddr, u16), Wanted<'_>> = BTreeMap::new();
    let mut objections = Vec::new();
    for (proxy, CompiledProxy { plan, .. }) in &compiled.proxies {
        for (address, wanted) in listeners(proxy, plan) {
            let Ok(ip) = address.parse::<IpAddr>() else { continue };
            match first.get(&(ip, wanted.port)) {
                Some(earlier) => objections.push(objection(ip, earlier, &wanted, candidate)),
                None => {
                    first.insert((ip, wanted.port), wanted);
                }
            }
        }
    }
    objections
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

fn objection(ip: IpAddr, earlier: &Wanted<'_>, later: &Wanted<'_>, candidate: &Candidate) -> Objection {
    let offers =
        [later, earlier].map(|wanted| offer_of(wanted.proxy, candidate).map(|offer| (wanted, offer)));
    let changed = |(_, offer): &&(&Wanted<'_>, &Offer)| candidate.changed.contains(&offer.file);
    let all: Vec<(&Wanted<'_>, &Offer)> = offers.into_iter().flatten().collect();
    let (blamed, offer) = match all.iter().find(changed).or(all.first()) {
        Some((wanted, offer)) => (*wanted, Some(*offer)),
        None => (later, None),
    };
    let other = if std::ptr::eq(blamed, later) { earlier } else { later };
    let address = std::net::SocketAddr::new(ip, blamed.port);
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
        let meta = &resource.meta;
        resource.kind() == Kind::Dataplane && meta.mesh == proxy.mesh && meta.name == proxy.name
    })
}

/// Where in the Dataplane the listener's port is written. The plan keeps the order of the Dataplane, but may leave
/// some out, so it is found by its port.
fn field(wanted: &Wanted<'_>, offer: &Offer) -> FieldPath {
    let networking = networking(&offer.entry.document);
    let Spec::Dataplane(dataplane) = &offer.entry.resource.spec else { return networking };
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
