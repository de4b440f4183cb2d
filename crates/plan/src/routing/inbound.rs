//! What the application offers (spec 01 §4): listeners whose only backend is the application.

use std::sync::Arc;

use model::Tags;
use model::topology::{Inbound as Written, InboundState, Protocol};

use super::{names, protocol, settings};
use crate::plan::{
    Accepts, Backend, Bind, Cluster, ClusterKind, ConnectionSettings, Direction, Endpoint, Fate, Listener,
    Match, Mtls, Naming, Route, Via,
};
use crate::view::View;

/// An inbound, and the application behind it.
pub(super) struct Offered {
    pub(super) listener: Listener,
    pub(super) application: Cluster,
}

/// The inbounds of a proxy, in the order of its Dataplane; those that are ignored have no listener.
pub(super) fn of_proxy(view: &View<'_>, mtls: Option<&Arc<Mtls>>) -> Vec<Offered> {
    let accepts = mtls.map_or(Accepts::Plaintext, |mtls| Accepts::Mtls(Arc::clone(mtls)));
    let listening = view.dataplane().inbound.iter().filter(|inbound| inbound.state != InboundState::Ignored);
    listening.map(|inbound| offered(view, inbound, accepts.clone())).collect()
}

fn offered(view: &View<'_>, inbound: &Written, accepts: Accepts) -> Offered {
    let dataplane = view.dataplane();
    let Written { address, port, service_address, service_port, tags, protocol: field, .. } = inbound;
    let address = address.as_deref().unwrap_or(&dataplane.address);
    let own = if dataplane.is_transparent() { address } else { "127.0.0.1" };
    let by_tag = protocol::of_tags(tags, view.profile());
    let service = tags.service().unwrap_or_default();
    let (behind, port_behind) = (service_address.as_deref().unwrap_or(own), service_port.unwrap_or(*port));
    let application = application(service, behind, port_behind);
    let backend = Backend {
        reference: format!("the application at {behind}:{port_behind}"),
        weight: 1,
        fate: Fate::Routed { cluster: application.name.clone(), subset: Tags::default() },
        origin: None,
        when_unavailable: None,
    };
    let listener = Listener {
        name: names::listener("inbound", address, *port),
        bind: Bind::opened(address, *port),
        direction: Direction::Inbound,
        service: service.to_owned(),
        protocol: if by_tag == Protocol::Unknown { field.unwrap_or(by_tag) } else { by_tag },
        accepts,
        settings: ConnectionSettings {
            accept_proxy_protocol: settings::of_dataplane(view),
            ..ConnectionSettings::default()
        },
        routes: vec![(Match::Everything, Route::to(backend))],
        naming: Naming { marks: tags.clone(), ..Naming::default() },
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
        tags: Tags::default(),
        labels: model::Labels::default(),
        // no resource stands for the application itself
        offered_by: String::new(),
        via: Via::Direct,
    };
    let name = format!("localhost:{address}:{port}");
    Cluster::plain(name, service.to_owned(), ClusterKind::Application, vec![endpoint])
}
