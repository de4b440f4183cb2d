//! Reader of `networking.inbound[]`: a port that the application offers.

use crate::draft::Fields;
use crate::draft::topology::tags::TagRules;
use crate::draft::topology::{address, port, protocol, tags};
use crate::profile::Profile;
use crate::reference::{SERVICE_TAG, Tags};
use crate::topology::{Inbound, InboundState};

/// Reads and checks an inbound of a dataplane with this address.
pub(super) fn read(mut fields: Fields<'_>, own_address: &str, profile: Profile) -> Inbound {
    let fields = &mut fields;
    let (port, service_port) = (port::read(fields, "port"), port::read(fields, "servicePort"));
    let inbound = Inbound {
        port: port::check_at(fields, fields.at("port"), port),
        service_port: port::check_optional(fields, "servicePort", service_port),
        address: fields.text("address"),
        service_address: fields.text("serviceAddress"),
        name: fields.text("name"),
        state: state(fields),
        ready: is_ready(fields),
        protocol: protocol::read(fields, "protocol", profile),
        tags: tags::read(fields, "tags"),
    };
    address::check_ip(fields, "address", inbound.address.as_deref());
    address::check_ip(fields, "serviceAddress", inbound.service_address.as_deref());
    let listens = inbound.address.as_deref().unwrap_or(own_address);
    if (service_port == 0 || service_port == port) && inbound.service_address.as_deref() == Some(listens) {
        // The proxy would connect to itself.
        fields
            .violate("serviceAddress", "serviceAddress and servicePort has to differ from address and port");
    }
    service_probe(fields);
    if profile.tags_name_services() {
        check_tags(fields, &inbound.tags, profile);
    }
    inbound
}

/// Reads the state of a listener.
pub(super) fn state(fields: &mut Fields<'_>) -> InboundState {
    let words = [
        ("Ready", InboundState::Ready),
        ("NotReady", InboundState::NotReady),
        ("Ignored", InboundState::Ignored),
    ];
    fields.choice("state", &words).unwrap_or_default()
}

fn check_tags(fields: &Fields<'_>, tags: &Tags, profile: Profile) {
    let path = fields.at("tags");
    protocol::check_tag(fields, &path, tags, profile);
    TagRules::ANY.check(fields, &path, tags);
    if tags.service().is_none() && (!tags.is_empty() || profile.inbound_needs_tags()) {
        fields.violate_at(path.key(SERVICE_TAG), "tag has to exist");
    }
}

/// Reads the health checks of the application by its own proxy: interval, and thresholds.
fn service_probe(fields: &mut Fields<'_>) {
    let mut probe = fields.object("serviceProbe");
    probe.known(&["tcp"]);
    for duration in ["interval", "timeout"] {
        let is_zero = |text: &str| !text.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        if probe.text(duration).is_some_and(|text| text.starts_with('-') || is_zero(&text)) {
            probe.violate(duration, "must have a positive value");
        }
    }
    for threshold in ["unhealthyThreshold", "healthyThreshold"] {
        if probe.number::<u32>(threshold) == Some(0) {
            probe.violate(threshold, "must have a positive value");
        }
    }
}

/// Reads whether an inbound is ready by its health; `None`: it has none. The API of Kuma leaves `ready: false` out.
fn is_ready(fields: &mut Fields<'_>) -> Option<bool> {
    let has_health = fields.has("health");
    let ready = fields.object("health").flag("ready");
    has_health.then(|| ready.unwrap_or_default())
}
