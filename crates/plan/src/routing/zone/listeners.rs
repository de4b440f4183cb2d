//! Zone proxies as listeners of a Dataplane (spec 08 §8): for its own mesh, by readable server names.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::topology::{MeshExternalService, ServicePort, ZoneListener, ZoneListenerType};
use model::{Resource, Tags};

use super::chains::Chains;
use super::services;
use crate::plan::{Cluster, ClusterKind, Endpoint, Listener, PolicyOrigin, Terminated, TlsParams, Warning};
use crate::routing::endpoints::{egresses, external};
use crate::routing::facts::Facts;
use crate::routing::permissions::Permitting;
use crate::routing::{names, sni};
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
    for listener in listeners {
        let mut chains = Chains::beside(dialled);
        match listener.kind {
            ZoneListenerType::ZoneIngress => {
                services::each(view.reader(), facts, |service, port, endpoints| {
                    add_port(&mut chains, service, port, endpoints);
                });
            }
            ZoneListenerType::ZoneEgress => add_outside(&mut chains, view, facts, listener),
        }
        if !chains.routes.is_empty() {
            let address = listener.address.as_deref().unwrap_or(&view.dataplane().address);
            carried.listeners.push(chains.listener(called(listener), true, address, listener.port));
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
fn add_outside(chains: &mut Chains, view: &View<'_>, facts: &Facts<'_>, listener: &ZoneListener) {
    let called = called(listener);
    let Some(mtls) = facts.mtls.as_ref().filter(|mtls| mtls.has_workload_identity()) else {
        let text = format!("{called} is not opened: no MeshIdentity gives the proxy an identity");
        chains.warnings.push(text.into());
        return;
    };
    let address = listener.address.as_deref().unwrap_or(&view.dataplane().address);
    let key = InboundKey { address: address.to_owned(), port: listener.port };
    let permitting = Permitting::of(view, Some(mtls), &mut chains.warnings);
    let permissions = permitting.to(&key, &Tags::default(), &mut chains.warnings);
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
                let cluster = cluster(facts, resource, service, id.to_string());
                chains.let_out(facts.profile, [(sni, PolicyOrigin::of(resource))], cluster, ended);
            }
            Err(why) => chains.warnings.push(format!("{} is not carried: {why}", resource.describe()).into()),
        }
    }
}

fn cluster(facts: &Facts<'_>, resource: &Resource, service: &MeshExternalService, name: String) -> Cluster {
    let (endpoints, tls) = external::of_egress(facts, resource, service);
    let kind = ClusterKind::External { protocol: service.protocol, tls: tls.into() };
    let known_as = names::destination(&resource.id(), service.port, false);
    Cluster { resource: Some(resource.describe()), ..Cluster::plain(name, known_as, kind, endpoints) }
}
