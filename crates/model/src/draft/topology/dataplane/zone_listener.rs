//! Reader of `networking.listeners[]`: the listeners of a zone proxy (2.14, 3).

use crate::draft::Fields;
use crate::draft::topology::dataplane::inbound;
use crate::draft::topology::{address, port};
use crate::topology::{Inbound, ZoneListener, ZoneListenerType};

/// Reads and checks all zone listeners, each against the inbounds and the listeners before it.
pub(super) fn read_all(
    networking: &mut Fields<'_>,
    own_address: &str,
    inbounds: &[Inbound],
) -> Vec<ZoneListener> {
    let mut listeners: Vec<ZoneListener> = Vec::new();
    for mut fields in networking.items("listeners") {
        let listener = read(&mut fields);
        let listens = listener.address.as_deref().unwrap_or_default();
        let at = format!("address:port {listens}:{}", listener.port);
        let meets_inbound = inbounds.iter().any(|inbound| {
            let taken = inbound.address.as_deref().unwrap_or(own_address);
            (taken, inbound.port) == (listens, listener.port)
        });
        let meets_other_type = listeners.iter().any(|other| {
            let same_place = (&other.address, other.port) == (&listener.address, listener.port);
            same_place && other.kind != listener.kind
        });
        if meets_inbound {
            fields.violate_here(format!("{at} collides with an inbound listener"));
        }
        if meets_other_type {
            fields.violate_here(format!("{at} is used by listeners of different types"));
        }
        check_name(&fields, &listener, &listeners, inbounds);
        listeners.push(listener);
    }
    listeners
}

fn read(fields: &mut Fields<'_>) -> ZoneListener {
    let kinds =
        [("ZoneIngress", ZoneListenerType::ZoneIngress), ("ZoneEgress", ZoneListenerType::ZoneEgress)];
    let listener = ZoneListener {
        kind: fields.choice("type", &kinds).unwrap_or(ZoneListenerType::ZoneIngress),
        address: fields.text("address"),
        port: port::required(fields, "port"),
        name: fields.text("name"),
        state: inbound::state(fields),
    };
    address::check(fields, "address", listener.address.as_deref().unwrap_or_default());
    listener
}

fn check_name(fields: &Fields<'_>, listener: &ZoneListener, before: &[ZoneListener], inbounds: &[Inbound]) {
    let Some(name) = &listener.name else { return };
    let of_inbounds = inbounds.iter().filter_map(|inbound| inbound.name.as_ref());
    let of_listeners = before.iter().filter_map(|listener| listener.name.as_ref());
    if of_inbounds.chain(of_listeners).any(|taken| taken == name) {
        fields.violate("name", format!("name \"{name}\" must be unique across inbounds and listeners"));
    }
}
