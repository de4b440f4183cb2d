//! Check of an authority that signs the mesh's certificates: `mtls.backends[]` (spec 07 §2.2).

use crate::draft::Fields;
use crate::profile::NameRule;
use crate::violation::FieldPath;

/// Checks an authority of this name. `unchecked`: its configuration is not checked, as the mesh asks.
pub(super) fn check(fields: &mut Fields<'_>, mesh: &str, name: &str, unchecked: bool) {
    // paths without an index, and with one half twice: as the reference writes them
    let mtls = FieldPath::root().field("mtls");
    if fields.has("dpCert") {
        let mut certificate = fields.object("dpCert");
        certificate.know_the_rest();
        let mut rotation = certificate.object("rotation");
        rotation.know_the_rest();
        if !rotation.text("expiration").is_some_and(|text| is_lifetime(&text)) {
            let path = mtls.field("dpcert").field("rotation").field("expiration");
            rotation.violate_at(path, "has to be a valid format");
        }
    }
    fields.known(&["dpCert", "rootChain"]);
    let mut conf = fields.object("conf");
    conf.know_the_rest();
    let kind = fields.text("type");
    if !matches!(kind.as_deref(), Some("builtin" | "provided")) {
        fields.violate("type", "could not find installed plugin for this type");
    }
    if unchecked {
        return;
    }
    match kind.as_deref() {
        Some("builtin") => builtin(&mut conf, mesh, name),
        Some("provided") => {
            for part in ["cert", "key"] {
                match conf.has(part) {
                    true => data_source(conf.object(part)),
                    false => conf.violate(part, "has to be defined"),
                }
            }
        }
        Some(_) | None => {}
    }
}

fn builtin(conf: &mut Fields<'_>, mesh: &str, name: &str) {
    let secret = format!("{mesh}.ca-builtin-cert-{name}");
    let path = conf.path().field("mtls").field("backends").field("name");
    if secret.len() > 255 {
        conf.violate_at(path, "Backend name is too long. Max length: 255");
    } else if NameRule::Subdomain.broken_by(&secret).is_some() {
        conf.violate_at(path, format!("\"{name}\" name must be valid dns name"));
    }
    let mut certificate = conf.object("caCert");
    certificate.know_the_rest();
    // an empty one is the default, as a missing one
    if certificate.text("expiration").is_some_and(|text| !is_lifetime(&text)) {
        certificate.violate("expiration", "has to be a valid format");
    }
}

/// Checks that a data source has exactly one place.
fn data_source(mut source: Fields<'_>) {
    source.know_the_rest();
    let places = ["secret", "file", "inline", "inlineString"];
    if places.into_iter().filter(|place| source.has(place)).count() != 1 {
        source.violate_here("has to be one of secret, file, inline, inlineString");
    }
}

/// Returns `true` if a text is one number and one unit, or `0`.
fn is_lifetime(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let has_number = unit.len() < text.len();
    has_number && (text == "0" || matches!(unit, "y" | "w" | "d" | "h" | "m" | "s" | "ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_one_number_with_one_unit() {
        for fine in ["0", "1d", "24h", "500ms", "1y", "10w"] {
            assert!(is_lifetime(fine), "{fine}");
        }
        for wrong in ["", "1", "1 day", "1h30m", "d", "-1d", "1D"] {
            assert!(!is_lifetime(wrong), "{wrong}");
        }
    }
}
