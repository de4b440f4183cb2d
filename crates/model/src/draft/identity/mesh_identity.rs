//! MeshIdentity: who workloads are (spec 07 §12).

use super::template;

use crate::draft::{Body, Context, Fields, topology};
use crate::resource::Spec;

pub(super) const MUST_BE_DEFINED: &str = "must be defined";

/// Checks a MeshIdentity.
pub(crate) fn mesh_identity(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let spec = &mut body.spec;
    let mut id = part(spec, "spiffeID");
    for name in ["trustDomain", "path"] {
        if let Some(why) = id.text(name).and_then(|text| template::broken_by(&text)) {
            id.violate(name, format!("couldn't parse template: template: :1: {why}"));
        }
    }
    let mut bundled = part(&mut part(spec, "provider"), "bundled");
    let creation = bundled.text("meshTrustCreation");
    if let Some(word) = creation.filter(|word| !["Enabled", "Disabled"].contains(&word.as_str())) {
        bundled
            .violate("meshTrustCreation", format!("\"{word}\" must be one of [\"Enabled\", \"Disabled\"]"));
    }
    let mut authority = part(&mut bundled, "ca");
    if authority.is_present() {
        for name in ["certificate", "privateKey"] {
            data_source(part(&mut authority, name));
        }
    }
    topology::mesh_identity(body, context)
}

/// An object whose fields are looked at here and kept elsewhere.
pub(super) fn part<'d>(fields: &mut Fields<'d>, name: &'d str) -> Fields<'d> {
    let mut part = fields.object(name);
    part.know_the_rest();
    part
}

/// Checks that what a data source says it is from is there.
fn data_source(mut source: Fields<'_>) {
    let member = match source.text("type").as_deref() {
        Some("File") => "file",
        Some("Secret") => "secretRef",
        Some("EnvVar") => "envVar",
        Some("InsecureInline") => "insecureInline",
        Some(_) | None => return,
    };
    if !source.has(member) {
        source.violate(member, MUST_BE_DEFINED);
    }
}
