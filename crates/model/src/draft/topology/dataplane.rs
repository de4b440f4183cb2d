//! Reader of Dataplane: a proxy, and what it stands for (spec 01 §4).

mod inbound;
mod metrics;
mod outbound;
mod probes;
mod sockets;
mod transparent_proxying;
mod zone_listener;

pub(super) use metrics::check as check_metrics;

use crate::draft::topology::tags::TagRules;
use crate::draft::topology::{MUST_BE_DEFINED, address, protocol, tags};
use crate::draft::{Body, Context, Fields};
use crate::profile::Profile;
use crate::reference::Tags;
use crate::resource::Spec;
use crate::topology::{Dataplane, Gateway, GatewayType, Inbound};

/// Reads and checks a Dataplane.
pub(crate) fn dataplane(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let mut networking = body.spec.object("networking");
    let dataplane = if networking.is_present() {
        let dataplane = read_networking(&mut networking, context.profile);
        probes::read(&mut body.spec, &networking, dataplane.builtin_gateway().is_some());
        admin(&mut networking, &dataplane);
        dataplane
    } else {
        body.spec.violate("networking", MUST_BE_DEFINED);
        body.spec.known(&["probes"]);
        Dataplane::default()
    };
    metrics::read(&mut body.spec);
    Spec::Dataplane(dataplane)
}

fn read_networking(networking: &mut Fields<'_>, profile: Profile) -> Dataplane {
    let own_address = networking.string("address");
    let gateway_kind = gateway_type(networking, profile);
    let inbound = match gateway_kind {
        Some(kind) => {
            refuse_what_gateways_have_not(networking, kind);
            Vec::new()
        }
        None => inbounds(networking, &own_address, profile),
    };
    let gateway = gateway_kind.map(|kind| Gateway { kind, tags: gateway_tags(networking, kind, profile) });
    address::check(networking, "address", &own_address);
    let outbound = networking.list("outbound", |fields| outbound::read(fields, profile));
    let transparent_proxying = transparent_proxying::read(networking, profile);
    let listeners = match gateway_kind {
        Some(_) => Vec::new(),
        None if !profile.has_zone_listeners() => Vec::new(),
        None => zone_listener::read_all(networking, &own_address, &inbound),
    };
    let dataplane = Dataplane {
        address: own_address,
        advertised_address: advertised_address(networking),
        inbound,
        outbound,
        gateway,
        transparent_proxying,
        listeners,
    };
    sockets::check(networking, &dataplane);
    dataplane
}

fn inbounds(networking: &mut Fields<'_>, own_address: &str, profile: Profile) -> Vec<Inbound> {
    let items = networking.items("inbound");
    if items.is_empty() && profile.dataplane_needs_inbound() {
        networking.violate_here("has to contain at least one inbound interface or gateway");
    }
    items.into_iter().map(|fields| inbound::read(fields, own_address, profile)).collect()
}

fn gateway_type(networking: &mut Fields<'_>, profile: Profile) -> Option<GatewayType> {
    if !networking.has("gateway") {
        networking.known(&["gateway"]);
        return None;
    }
    let mut gateway = networking.object("gateway");
    gateway.known(&["tags"]);
    let words = [("DELEGATED", GatewayType::Delegated), ("BUILTIN", GatewayType::Builtin)];
    let known = if profile.accepts_builtin_gateways() { &words[..] } else { &words[..1] };
    Some(gateway.choice("type", known).unwrap_or_default())
}

fn gateway_tags(networking: &mut Fields<'_>, kind: GatewayType, profile: Profile) -> Tags {
    let mut gateway = networking.object("gateway");
    gateway.known(&["type"]);
    let (tags, path) = (tags::read(&mut gateway, "tags"), gateway.at("tags"));
    protocol::check_gateway_tag(&gateway, &path, &tags);
    // a delegated gateway may have no tags if inbounds may
    if !(tags.is_empty() && kind == GatewayType::Delegated && !profile.inbound_needs_tags()) {
        TagRules::OF_SERVICE.check(&gateway, &path, &tags);
    }
    tags
}

/// Checks that a gateway has no inbounds and is not a zone proxy; a builtin one has no outbounds either.
fn refuse_what_gateways_have_not(networking: &mut Fields<'_>, kind: GatewayType) {
    let (which, refused) = match kind {
        GatewayType::Delegated => ("delegated", &["inbound", "listeners"][..]),
        GatewayType::Builtin => ("builtin", &["inbound", "outbound", "listeners"][..]),
    };
    for name in refused {
        let mut items = networking.items(name);
        if !items.is_empty() {
            networking.violate(name, format!("{name} cannot be defined for {which} gateways"));
        }
        items.iter_mut().for_each(Fields::know_the_rest);
    }
}

fn advertised_address(networking: &mut Fields<'_>) -> Option<String> {
    let advertised = networking.text("advertisedAddress")?;
    address::check(networking, "advertisedAddress", &advertised);
    Some(advertised)
}

/// Checks the proxy's own admin port, which is on 127.0.0.1: no listener there may have the same port.
fn admin(networking: &mut Fields<'_>, dataplane: &Dataplane) {
    let mut admin = networking.object("admin");
    let Some(port) = admin.number::<u16>("port").filter(|port| *port != 0) else { return };
    let clashes = |address: &str, other: u16| port == other && address::overlap("127.0.0.1", address);
    let with_inbound = dataplane.inbound.iter().any(|inbound| {
        let listens = inbound.address.as_deref().unwrap_or(&dataplane.address);
        let serves = inbound.service_address.as_deref().unwrap_or("127.0.0.1");
        clashes(listens, inbound.port) || clashes(serves, inbound.service_port.unwrap_or(inbound.port))
    });
    let with_outbound = dataplane
        .outbound
        .iter()
        .any(|outbound| clashes(outbound.address.as_deref().unwrap_or("127.0.0.1"), outbound.port));
    if with_inbound {
        admin.violate("port", "must differ from inbound");
    }
    if with_outbound {
        admin.violate("port", "must differ from outbound");
    }
}
