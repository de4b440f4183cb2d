//! Reader of `endpoints[]`: the addresses of a service outside the mesh.

use crate::draft::Fields;
use crate::draft::topology::address::{is_dns_name, is_ip};
use crate::draft::topology::mesh_external_service::{PORT_MUST_BE_VALID, valid_port};
use crate::profile::{ExternalAddressRule, Profile};
use crate::topology::ExternalEndpoint;

/// Reads and checks an endpoint.
pub(super) fn read(mut fields: Fields<'_>, profile: Profile) -> ExternalEndpoint {
    let address = fields.string("address");
    let port = fields.number::<u64>("port");
    match profile.external_address_rule() {
        ExternalAddressRule::WithUnixPaths => check_with_unix_paths(&fields, &address, port),
        ExternalAddressRule::WithPorts => check_with_ports(&fields, &address, port),
    }
    ExternalEndpoint {
        address,
        port: port.and_then(valid_port).unwrap_or_default(),
        priority: fields.number("priority").unwrap_or_default(),
    }
}

fn check_with_ports(fields: &Fields<'_>, address: &str, port: Option<u64>) {
    if !is_ip(address) && !is_dns_name(address) {
        fields.violate("address", "address has to be a valid IP or hostname");
    }
    if port.and_then(valid_port).is_none() {
        fields.violate("port", PORT_MUST_BE_VALID);
    }
}

fn check_with_unix_paths(fields: &Fields<'_>, address: &str, port: Option<u64>) {
    let what = match address {
        _ if is_ip(address) => "an IP",
        _ if is_dns_name(address) => "a hostname",
        _ if address.starts_with("unix://") => {
            if port.is_some() {
                fields.violate("port", "must not be defined when endpoint is a unix path");
            }
            return;
        }
        _ => {
            return fields.violate("address", "address has to be a valid IP or hostname or a unix path");
        }
    };
    match port {
        None => fields.violate("port", format!("must be defined when endpoint is {what}")),
        Some(port) if valid_port(port).is_none() => fields.violate("port", PORT_MUST_BE_VALID),
        Some(_) => {}
    }
}
