//! Protocols in tags and ports.

use crate::draft::Fields;
use crate::profile::Profile;
use crate::reference::{PROTOCOL_TAG, Tags};
use crate::topology::Protocol;
use crate::violation::FieldPath;

/// Checks the protocol tag of an inbound or an ExternalService. The message does not list everything that is
/// accepted (spec 01 §4).
pub(super) fn check_tag(fields: &Fields<'_>, path: &FieldPath, tags: &Tags, profile: Profile) {
    let Some(value) = tags.get(PROTOCOL_TAG) else { return };
    if !profile.knows_protocol(Protocol::from_text(value)) {
        let message = format!(
            "tag \"{PROTOCOL_TAG}\" has an invalid value \"{value}\". Allowed values: grpc, http, http2, kafka, tcp"
        );
        fields.violate_at(path.key(PROTOCOL_TAG), message);
    }
}

/// Checks the protocol tag of a gateway, which another program serves.
pub(super) fn check_gateway_tag(fields: &Fields<'_>, path: &FieldPath, tags: &Tags) {
    if let Some(value) = tags.get(PROTOCOL_TAG).filter(|value| *value != "tcp") {
        let message = format!("other values than tcp are not allowed, provided value \"{value}\"");
        fields.violate_at(path.key(PROTOCOL_TAG), message);
    }
}

/// Reads a protocol that is a field of its own, such as `appProtocol`; checked if the profile does.
pub(super) fn read<'d>(fields: &mut Fields<'d>, name: &'d str, profile: Profile) -> Option<Protocol> {
    let text = fields.text(name)?;
    let protocol = Protocol::from_text(&text);
    if profile.checks_app_protocol() && !profile.knows_protocol(protocol) {
        fields.violate(name, format!("{name} must be one of: grpc, http, http2, tcp"));
    }
    Some(protocol)
}
