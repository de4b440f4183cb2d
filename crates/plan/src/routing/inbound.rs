//! What the application offers (spec 01 §4).

use model::topology::{Inbound as Written, InboundState, Protocol};

use super::{names, protocol, settings};
use crate::plan::Inbound;
use crate::view::View;

/// The inbounds of a proxy, in the order of its Dataplane; those that are ignored have no listener.
pub(super) fn of_proxy(view: &View<'_>) -> Vec<Inbound> {
    let dataplane = view.dataplane();
    let listening = dataplane.inbound.iter().filter(|inbound| inbound.state != InboundState::Ignored);
    listening
        .map(|inbound| {
            let Written { address, port, service_address, service_port, tags, protocol: field, .. } = inbound;
            let address = address.as_deref().unwrap_or(&dataplane.address);
            let own = if dataplane.is_transparent() { address } else { "127.0.0.1" };
            let by_tag = protocol::of_tags(tags, view.profile());
            Inbound {
                name: names::listener("inbound", address, *port),
                address: address.to_owned(),
                port: *port,
                service_address: service_address.clone().unwrap_or_else(|| own.to_owned()),
                service_port: service_port.unwrap_or(*port),
                service: tags.service().unwrap_or_default().to_owned(),
                accept_proxy_protocol: settings::of_dataplane(view),
                protocol: if by_tag == Protocol::Unknown { field.unwrap_or(by_tag) } else { by_tag },
            }
        })
        .collect()
}
