//! Zone proxies as listeners of a Dataplane (spec 08 §8): for its own mesh, by readable server names.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::topology::{MeshExternalService, ServicePort, ZoneListener, ZoneListenerType};
use model::{Resource, Tags};

use super::chains::Chains;
use super::services;
use crate::plan::{
    Cluster, ClusterKind, ClusterSettings, Endpoint, Listener, PolicyOrigin, Terminated, TlsParams, Warning,
};
use crate::routing::endpoints::{egresses, external};
use crate::routing::facts::Facts;
use crate::routing::of_inbounds::Treating;
use crate::routing::permissions::Permitting;
use crate::routing::settings::{self, SaidOfCluster};
use crate::routing::{ProxyRules, names, sni};
use crate::rules::InboundKey;
use crate::view::View;

/// Listeners and clusters of a Dataplane that carry connections across the border of its zone.
#[derive(Default)]
pub(in crate::routing) struct Carried {
    pub(in crate::routing) listeners: Vec<Listener>,
    pub(in crate::routing) clusters: BTreeMap<String, Cluster>,
}

/// Returns the listeners of a Dataplane that carry connections across the border of its zone, in its order. One
/// without routes is left out. `dialled`: the clusters that the proxy dials for its own application, with other
/// settings.
pub(in crate::routing) fn of_proxy(
    view: &View<'_>,
    facts: &Facts<'_>,
    rules: &ProxyRules,
    dialled: &BTreeMap<String, Cluster>,
    warnings: &mut Vec<Warning>,
) -> Carried {
    let listeners = &view.dataplane().listeners;
    let mut carried = Carried::default();
    if listeners.is_empty() {
        return carried;
    }
    if !egresses::has_listeners(facts) {
        let text = "its listeners are not opened: they carry only where spec.meshServices.mode of the Mesh is Exclusive";
        warnings.push(text.to_owned().into());
        return carried;
    }
    let treating = Treating::of(view);
    for listener in listeners {
        let address = listener.address.as_deref().unwrap_or(&view.dataplane().address);
        let key = InboundKey { address: address.to_owned(), port: listener.port };
        let mut chains = Chains::beside(dialled);
        match listener.kind {
            ZoneListenerType::ZoneIngress => {
                services::each(view.reader(), facts, |service, port, endpoints| {
                    add_port(&mut chains, service, port, endpoints);
                });
            }
            ZoneListenerType::ZoneEgress => add_outside(&mut chains, view, facts, rules, (listener, &key)),
        }
        if !chains.routes.is_empty() {
            let called = called(listener);
            let settings = treating.connections(&key, &called, warnings);
            let listener = chains.listener(called, true, address, listener.port);
            carried.listeners.push(Listener { settings, ..listener });
        }
        let connect_timeout = treating.connect_timeout(&key);
        for cluster in chains.clusters.values_mut().filter(|it| matches!(it.kind, ClusterKind::Zone { .. })) {
            cluster.connect_timeout.clone_from(&connect_timeout);
        }
        carried.clusters.append(&mut chains.clusters);
        warnings.append(&mut chains.warnings);
    }
    carried
}

fn called(ZoneListener { kind, address: _, port, name, state: _ }: &ZoneListener) -> String {
    let kind = match kind {
        ZoneListenerType::ZoneIngress => "zoneingress",
        ZoneListenerType::ZoneEgress => "zoneegress",
    };
    match name {
        Some(name) => format!("self_{kind}_dp_{name}"),
        None => format!("self_{kind}_dp_{port}"),
    }
}

fn add_port(chains: &mut Chains, resource: &Resource, port: &ServicePort, endpoints: Vec<Endpoint>) {
    let id = resource.id().with_section(port.effective_name());
    match sni::readable_sni(&id) {
        Ok(sni) => {
            let by = PolicyOrigin::of(resource);
            chains.pass_on_service(sni, id.to_string(), resource.describe(), endpoints, by);
        }
        Err(why) => chains.warnings.push(format!("{} is not carried: {why}", resource.describe()).into()),
    }
}

/// Adds the services outside the mesh that are reached from this zone. Without an identity of its own the proxy
/// terminates no TLS.
fn add_outside(
    chains: &mut Chains,
    view: &View<'_>,
    facts: &Facts<'_>,
    rules: &ProxyRules,
    (listener, key): (&ZoneListener, &InboundKey),
) {
    let called = called(listener);
    let Some(mtls) = facts.mtls.as_ref().filter(|mtls| mtls.has_workload_identity()) else {
        let text = format!("{called} is not opened: no MeshIdentity gives the proxy an identity");
        chains.warnings.push(text.into());
        return;
    };
    let permitting = Permitting::of(view, Some(mtls), &mut chains.warnings);
    let permissions = permitting.to(key, &Tags::default(), &mut chains.warnings);
    for (resource, service) in external::services(view.reader(), facts) {
        let ended = Terminated {
            mtls: Arc::clone(mtls),
            permissive: false,
            mode_by: None,
            params: TlsParams::default(),
            peer_prefixes: Vec::new(),
            permissions: permissions.clone(),
            counted_as: None,
        };
        let id = resource.id().with_section(service.port.to_string());
        match sni::readable_sni(&id) {
            Ok(sni) => {
                let cluster = cluster(view, facts, rules, (resource, service), id.to_string());
                chains.let_out(facts.profile, [(sni, PolicyOrigin::of(resource))], cluster, ended);
            }
            Err(why) => chains.warnings.push(format!("{} is not carried: {why}", resource.describe()).into()),
        }
    }
}

/// Returns the cluster of a service outside the mesh: what policies say to the proxy about it holds for those who
/// leave by it, too.
fn cluster(
    view: &View<'_>,
    facts: &Facts<'_>,
    rules: &ProxyRules,
    (resource, service): (&Resource, &MeshExternalService),
    name: String,
) -> Cluster {
    let (endpoints, tls) = external::of_egress(facts, resource, service);
    let kind = ClusterKind::External { protocol: service.protocol, tls: tls.into() };
    let known_as = names::destination(&resource.id(), service.port, false);
    let id = resource.id();
    let said = SaidOfCluster {
        timeout: rules.timeout.for_resource(&id),
        load_balancing: rules.load_balancing.for_resource(&id),
        health_check: rules.health_check.for_resource(&id),
        circuit_breaker: rules.circuit_breaker.for_resource(&id),
    };
    Cluster {
        resource: Some(resource.describe()),
        connect_timeout: settings::connect_timeout(view.reader(), said.timeout),
        // the preference of zones means nothing to what is in none
        settings: ClusterSettings { locality: None, ..settings::of_cluster(view.reader(), said, None) },
        ..Cluster::plain(name, known_as, kind, endpoints)
    }
}
