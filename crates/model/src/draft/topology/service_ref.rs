//! References of a proxy to real services (spec 01 §4): `outbound[].backendRef` and `reachableBackends.refs[]`.

use crate::draft::Fields;
use crate::draft::topology::{CANNOT_BE_EMPTY, port};
use crate::profile::Profile;
use crate::reference::{Labels, RefKind};
use crate::topology::ReachableBackendRef;

/// Reads and checks a reference with a required port.
pub(super) fn with_port(fields: Fields<'_>, profile: Profile) -> ReachableBackendRef {
    read(fields, profile, true)
}

/// Reads and checks a reference with an optional port; absent: all ports.
pub(super) fn with_any_port(fields: Fields<'_>, profile: Profile) -> ReachableBackendRef {
    read(fields, profile, false)
}

fn read(mut fields: Fields<'_>, profile: Profile, needs_port: bool) -> ReachableBackendRef {
    let kind = kind(&mut fields, profile);
    let name = fields.text("name");
    let namespace = fields.text("namespace");
    let labels: Labels = fields.map("labels").unwrap_or_default();
    match profile.outbound_selects_by_labels() {
        true if name.is_some() != labels.is_empty() => {
            fields.violate_here("either 'name' or 'labels' should be specified");
        }
        false if name.is_none() => fields.violate("name", CANNOT_BE_EMPTY),
        _ => {}
    }
    let number = port::read(&mut fields, "port");
    // A MeshExternalService has one port, whatever the reference says.
    let checked = kind != Some(RefKind::MeshExternalService) && (needs_port || number != 0);
    if checked {
        port::check_at(&fields, fields.at("port"), number);
    }
    let port = u32::try_from(number).ok().filter(|number| *number != 0);
    ReachableBackendRef { kind: kind.unwrap_or(RefKind::MeshService), name, namespace, port, labels }
}

fn kind(fields: &mut Fields<'_>, profile: Profile) -> Option<RefKind> {
    let known: &[RefKind] = match profile.outbound_selects_by_labels() {
        true => &[RefKind::MeshExternalService, RefKind::MeshMultiZoneService, RefKind::MeshService],
        false => &[RefKind::MeshExternalService, RefKind::MeshService],
    };
    let kind = RefKind::from_text(&fields.string("kind")).filter(|kind| known.contains(kind));
    if kind.is_none() {
        let known: Vec<&str> = known.iter().map(|kind| kind.as_str()).collect();
        fields.violate("kind", format!("invalid value. Available values are: {}", known.join(",")));
    }
    kind
}
