//! Inbounds (spec 01 §4, 07 §9): listeners whose only backend is the application.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Tags;
use model::topology::{Inbound as Written, InboundState, MtlsMode, Protocol};

use super::facts::Facts;
use super::mesh_tls::{MeshTls, TlsOfInbound};
use super::of_inbounds::Treating;
use super::permissions::Permitting;
use super::{names, protocol, settings};
use crate::plan::{
    Backend, BackendFate, Bind, Cluster, ClusterKind, ConnectionSettings, Direction, Endpoint, Hop, Identity,
    Listener, ListenerTls, Match, Mtls, Naming, Permissions, Route, Terminated, Trust, Warning,
};
use crate::rules::InboundKey;
use crate::view::View;

/// Key of the mark of an inbound without tags.
const UNIFIED_NAME: &str = "kuma.io/unified-name";

/// Inbound, and the application behind it.
pub(super) struct Offered {
    pub(super) listener: Listener,
    pub(super) application: Cluster,
}

/// Returns the inbounds of a proxy, in the order of its Dataplane. Ignored ones have listeners too: nobody is led
/// there, and who dials them all the same meets the same permissions. Of several with one name the last is used that
/// is not ignored.
pub(super) fn of_proxy(
    view: &View<'_>,
    facts: &Facts<'_>,
    mesh_tls: &MeshTls<'_>,
    warnings: &mut Vec<Warning>,
) -> Vec<Offered> {
    let permitting = Permitting::of(view, facts.mtls.as_deref(), warnings);
    let treating = Treating::of(view);
    let (ignored, used): (Vec<&Written>, Vec<&Written>) =
        view.dataplane().inbound.iter().partition(|inbound| inbound.state == InboundState::Ignored);
    let mut offered: Vec<Offered> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for inbound in used.into_iter().chain(ignored) {
        let mut next = self::offered(view, facts, inbound);
        if inbound.state == InboundState::Ignored && places.contains_key(&next.listener.name) {
            continue;
        }
        let key = &InboundKey { address: next.listener.bind.address.clone(), port: inbound.port };
        next.listener.accepts =
            accepts(facts, mesh_tls.about(key), || permitting.to(key, &inbound.tags, warnings));
        next.listener.settings = ConnectionSettings {
            accept_proxy_protocol: settings::of_dataplane(view),
            ..treating.connections(key, &next.listener.name, warnings)
        };
        treating.limit(key, &mut next.application);
        match places.get(&next.listener.name) {
            Some(at) => {
                let text = format!(
                    "two inbounds are called {}: only the last of them is there; give each a name",
                    next.listener.name
                );
                warnings.push(text.into());
                offered[*at] = next;
            }
            None => {
                places.insert(next.listener.name.clone(), offered.len());
                offered.push(next);
            }
        }
    }
    offered
}

/// Returns the TLS that an inbound requires of clients. A workload identity is strict, whatever the mesh says about
/// its own CA.
fn accepts(facts: &Facts<'_>, said: TlsOfInbound, permissions: impl FnOnce() -> Permissions) -> ListenerTls {
    let Some(mtls) = &facts.mtls else { return ListenerTls::Plaintext };
    let TlsOfInbound { mode, params } = said;
    ListenerTls::Mtls(Arc::new(Terminated {
        permissive: mode.as_ref().map_or(mtls.permissive, |mode| mode.value == MtlsMode::Permissive),
        mode_by: mode.map(|mode| mode.origin),
        params,
        peer_prefixes: peer_prefixes(mtls),
        permissions: permissions(),
        counted_as: None,
        mtls: Arc::clone(mtls),
    }))
}

/// Returns the prefixes one of which a name of a peer must have. A proxy that the mesh's CA certifies accepts every
/// trusted peer once it trusts trust domains: permissions decide the rest.
fn peer_prefixes(mtls: &Mtls) -> Vec<String> {
    let domains = match (&mtls.trust, &mtls.identity) {
        (Trust::MeshCa, _) => vec![mtls.mesh.as_str()],
        (Trust::Domains { .. }, Identity::Workload { .. }) => mtls.domains(),
        (Trust::Domains { .. }, Identity::MeshCa { .. }) | (Trust::Spire, _) => Vec::new(),
    };
    domains.into_iter().map(|domain| format!("spiffe://{domain}/")).collect()
}

/// An inbound about which nobody says anything.
fn offered(view: &View<'_>, facts: &Facts<'_>, inbound: &Written) -> Offered {
    let dataplane = view.dataplane();
    let Written { address, port, service_address, service_port, name, tags, protocol: field, .. } = inbound;
    let address = address.as_deref().unwrap_or(&dataplane.address);
    let port_behind = service_port.unwrap_or(*port);
    // a proxy that opens the port itself must not dial itself
    let own = if facts.transparent() || port_behind != *port { address } else { "127.0.0.1" };
    let by_tag = protocol::of_tags(tags, view.profile());
    let service = tags.service().unwrap_or_default();
    let behind = service_address.as_deref().unwrap_or(own);
    let application = application(service, behind, port_behind);
    let backend = Backend {
        reference: format!("the application at {behind}:{port_behind}"),
        weight: 1,
        fate: BackendFate::Routed { cluster: application.name.clone(), subset: Tags::default() },
        origin: None,
        weighed_by: None,
        when_unavailable: None,
    };
    let called = match facts.unified {
        true => names::inbound(name.as_deref(), *port),
        false => names::listener("inbound", address, *port),
    };
    let has_tags = !tags.is_empty() && view.profile().tags_name_services();
    let marks = match !has_tags && view.profile().marks_unified_names() {
        true => Tags::from_iter([(UNIFIED_NAME.to_owned(), names::inbound(name.as_deref(), *port))]),
        false => tags.clone(),
    };
    let protocol = if by_tag == Protocol::Unknown { field.unwrap_or(by_tag) } else { by_tag };
    let counts_kafka = protocol == Protocol::Kafka && view.profile().has_kafka_filter();
    let listener = Listener {
        name: called,
        bind: Bind { address: address.to_owned(), port: *port, captured: facts.captures_inbounds() },
        direction: Direction::Inbound,
        service: service.to_owned(),
        protocol,
        accepts: ListenerTls::Plaintext,
        settings: ConnectionSettings::default(),
        routes: vec![(Match::EVERYTHING, Route::to(backend))],
        naming: Naming { unified: facts.unified, marks, counts_kafka, ..Naming::default() },
    };
    Offered { listener, application }
}

fn application(service: &str, address: &str, port: u16) -> Cluster {
    let endpoint = Endpoint {
        priority: 0,
        zone: None,
        address: address.to_owned(),
        port: u32::from(port),
        weight: 1,
        group: None,
        tags: Tags::default(),
        labels: model::Labels::default(),
        // the application itself has no resource
        offered_by: String::new(),
        via: Hop::Direct,
    };
    let name = format!("localhost:{address}:{port}");
    Cluster::plain(name, service.to_owned(), ClusterKind::Application, vec![endpoint])
}
