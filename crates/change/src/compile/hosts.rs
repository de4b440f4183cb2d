//! Host names at which proxies are dialled, and problems with resolving them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::topology::MeshZoneAddress;
use model::{Problem, Resource, Severity, Spec};

use super::Compiled;
use crate::Ledger;

/// Host names of proxies in resources.
pub fn host_names(ledger: &Ledger) -> BTreeSet<&str> {
    ledger.resources().flat_map(|resource| of_resource(resource)).collect()
}

fn of_resource(resource: &Resource) -> impl Iterator<Item = &str> {
    let addresses: Vec<&str> = match resource.spec() {
        Spec::Dataplane(dataplane) => {
            let inbounds = dataplane.inbound.iter().filter_map(|inbound| inbound.address.as_deref());
            let listeners = dataplane.listeners.iter().filter_map(|listener| listener.address.as_deref());
            inbounds.chain(listeners).chain([dataplane.address.as_str(), dataplane.advertised()]).collect()
        }
        Spec::ZoneIngress(ingress) => {
            ingress.advertised.iter().map(|(address, _)| address.as_str()).collect()
        }
        Spec::ZoneEgress(egress) => vec![&egress.address],
        Spec::MeshZoneAddress(MeshZoneAddress { place }) => {
            place.iter().map(|(address, _)| address.as_str()).collect()
        }
        _ => Vec::new(),
    };
    addresses.into_iter().filter(|address| !address.is_empty() && address.parse::<IpAddr>().is_err())
}

/// Problems of resources whose proxies have a host name that could not be resolved lately, with the consequences.
pub(super) fn unresolved(compiled: &Compiled, ledger: &Ledger) -> Vec<Problem> {
    let hosts = &compiled.snapshot.context().hosts;
    let mut found = Vec::new();
    if hosts.values().all(|host| host.failure().is_none()) {
        return found;
    }
    for (key, entry) in ledger.entries() {
        let names: BTreeSet<&str> = of_resource(&entry.resource).collect();
        for name in names {
            let Some((host, why)) = hosts.get(name).and_then(|host| Some((host, host.failure()?))) else {
                continue;
            };
            let meanwhile = match host.address() {
                Some(address) => format!("it is dialled at {address}, which it had before"),
                None => "no Envoy dials it, and meshtcp's own proxies ask for it themselves".to_owned(),
            };
            found.push(Problem {
                help: Some("the host of the control plane resolves it, and asks again every 10 s".to_owned()),
                ..ledger.problem_of(key, Severity::Warning, format!("`{name}` {why}: {meanwhile}"))
            });
        }
    }
    found
}
