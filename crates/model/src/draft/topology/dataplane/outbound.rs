//! Reader of `networking.outbound[]`: a destination that the application dials.

use crate::draft::Fields;
use crate::draft::topology::tags::TagRules;
use crate::draft::topology::{MUST_BE_DEFINED, address, port, service_ref, tags};
use crate::profile::Profile;
use crate::reference::{SERVICE_TAG, Tags};
use crate::topology::{DataplaneOutbound, OutboundTarget, ReachableBackendRef};

/// Reads and checks an outbound.
pub(super) fn read(mut fields: Fields<'_>, profile: Profile) -> DataplaneOutbound {
    let fields = &mut fields;
    let port = port::required(fields, "port");
    let address = fields.text("address");
    address::check_ip(fields, "address", address.as_deref());
    DataplaneOutbound { address, port, target: target(fields, profile) }
}

fn target(fields: &mut Fields<'_>, profile: Profile) -> OutboundTarget {
    let tags = tags::read(fields, "tags");
    // The oldest way to name a service; tags win.
    let service = fields.text("service");
    let tagged = profile.tags_name_services() && (!tags.is_empty() || service.is_some());
    if !profile.outbound_names_real_services() || !fields.has("backendRef") {
        if !profile.tags_name_services() {
            fields.violate("backendRef", MUST_BE_DEFINED);
        } else if !tags.is_empty() || service.is_none() {
            TagRules::OF_SERVICE.check(fields, &fields.at("tags"), &tags);
        }
        fields.known(&["backendRef"]);
        return OutboundTarget::Tags(named(tags, service));
    }
    if tagged {
        fields.violate("backendRef", "both backendRef and tags/service cannot be defined");
    }
    let reference = service_ref::with_port(fields.object("backendRef"), profile);
    let ReachableBackendRef { kind, name, namespace: _, port, labels } = reference;
    OutboundTarget::BackendRef { kind, name, labels, port: port.unwrap_or_default() }
}

fn named(tags: Tags, service: Option<String>) -> Tags {
    match service {
        Some(service) if tags.is_empty() => Tags::from_iter([(SERVICE_TAG, service)]),
        _ => tags,
    }
}
