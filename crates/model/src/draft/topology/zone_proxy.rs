//! Readers of ZoneIngress and ZoneEgress (spec 01 §11).

use crate::draft::topology::tags::TagRules;
use crate::draft::topology::{address, port, tags};
use crate::draft::{Body, Context, Fields};
use crate::resource::Spec;
use crate::topology::{AvailableService, ZoneEgress, ZoneIngress};

/// Reads and checks a ZoneIngress.
pub(crate) fn zone_ingress(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
    let mut networking = body.spec.object("networking");
    let fields = &mut networking;
    let advertised_address = fields.text("advertisedAddress");
    let advertised_port = port::read(fields, "advertisedPort");
    let own_address = fields.text("address");
    let own_port = port::read(fields, "port");
    check_admin(
        fields,
        &[(own_address.as_deref(), own_port), (advertised_address.as_deref(), advertised_port)],
    );
    match (&advertised_address, advertised_port) {
        (None, 1..) => fields.violate("advertisedAddress", "has to be defined with advertisedPort"),
        (Some(_), 0) => fields.violate("advertisedPort", "has to be defined with advertisedAddress"),
        _ => {}
    }
    for (name, address) in [("address", &own_address), ("advertisedAddress", &advertised_address)] {
        if let Some(address) = address {
            address::check(fields, name, address);
        }
    }
    let port = port::check_at(fields, fields.at("port"), own_port);
    let advertised_port = port::check_optional(fields, "advertisedPort", advertised_port);
    Spec::ZoneIngress(ZoneIngress {
        zone: body.spec.string("zone"),
        address: own_address.unwrap_or_default(),
        port,
        advertised: advertised_address.zip(advertised_port),
        available: available_services(&mut body.spec),
    })
}

/// Reads and checks a ZoneEgress.
pub(crate) fn zone_egress(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
    let mut networking = body.spec.object("networking");
    let fields = &mut networking;
    let own_address = fields.text("address");
    let own_port = port::read(fields, "port");
    check_admin(fields, &[(own_address.as_deref(), own_port)]);
    if let Some(address) = &own_address {
        address::check(fields, "address", address);
    }
    Spec::ZoneEgress(ZoneEgress {
        zone: body.spec.string("zone"),
        address: own_address.unwrap_or_default(),
        port: port::check_at(fields, fields.at("port"), own_port),
    })
}

/// Checks the proxy's own admin port, which is on 127.0.0.1: the zone proxy may not listen there on the same port.
fn check_admin(networking: &mut Fields<'_>, listens: &[(Option<&str>, u64)]) {
    let mut admin = networking.object("admin");
    let Some(port) = admin.number::<u64>("port") else { return };
    let clashes = |(address, taken): &(Option<&str>, u64)| {
        *taken == port && address.is_some_and(|address| address::overlap("127.0.0.1", address))
    };
    if listens.iter().any(clashes) {
        admin.violate("port", "must differ from port");
    }
}

fn available_services(body: &mut Fields<'_>) -> Vec<AvailableService> {
    // The reference reports them in the singular.
    let reported = body.at("availableService");
    let items = body.items("availableServices").into_iter().enumerate();
    let read = |(at, mut fields): (usize, Fields<'_>)| {
        let tags = tags::read(&mut fields, "tags");
        TagRules::OF_SERVICE.check(&fields, &reported.index(at).field("tags"), &tags);
        AvailableService {
            mesh: fields.string("mesh"),
            tags,
            instances: fields.number("instances").unwrap_or_default(),
            external: fields.flag("externalService").unwrap_or_default(),
        }
    };
    items.map(read).collect()
}
