//! The labels that a control plane would compute when a resource is stored (spec 01 §1.3, 02 §5).

use crate::draft::envelope::{Envelope, Format};
use crate::draft::names;
use crate::draft::options::Options;
use crate::kind::{Kind, Scope};
use crate::reference::{Labels, MESH_TAG, ZONE_TAG};
use crate::resource::{DISPLAY_NAME_LABEL, NAMESPACE_LABEL, ORIGIN_LABEL};

/// The labels of a resource with those that are missing filled in; the role is computed later, from the body.
///
/// A name may be longer than the value of a label: then there is no such label, and [`Meta`](crate::Meta) tells the same
/// from the name itself. What is filled in here would be accepted if somebody had written it.
pub(crate) fn complete(envelope: &Envelope<'_>, options: &Options) -> Labels {
    let mut labels = envelope.meta.labels.clone();
    let mut default = |key: &str, value: &str| {
        if labels.get(key).is_none() && names::is_label_value(value) {
            labels.insert(key, value);
        }
        labels.get(key).map(str::to_owned)
    };
    let is_in_mesh = envelope.kind.scope() == Scope::Mesh;
    if options.profile.computes_mesh_label() && is_in_mesh {
        default(MESH_TAG, envelope.meta.mesh.as_str());
    }
    default(DISPLAY_NAME_LABEL, envelope.meta.display_name());
    if let Some(zone) = options.zone.as_deref()
        && is_in_mesh
        && envelope.kind != Kind::Mesh
    {
        let origin = default(ORIGIN_LABEL, "zone");
        if origin.as_deref() != Some("global") {
            default(ZONE_TAG, zone);
        }
    }
    labels
}

/// The namespace of a resource written for Kubernetes; absent for Universal, which has no roles.
pub(crate) fn namespace<'e>(envelope: &'e Envelope<'_>) -> Option<&'e str> {
    (envelope.format == Format::Kubernetes).then(|| envelope.meta.labels.get(NAMESPACE_LABEL)).flatten()
}
