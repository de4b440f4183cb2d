//! Data sources of certificates and keys.

use serde_json::Value;

use crate::draft::Fields;
use crate::draft::topology::MUST_BE_DEFINED;
use crate::policy::parse_base64;
use crate::topology::CertificateSource;

/// Fields of the older shape, whose names say which source it is.
const PLACES: [&str; 4] = ["secret", "inline", "inlineString", "file"];

/// Returns the certificate source of a data source of the older shape.
pub(super) fn certificate(mut fields: Fields<'_>) -> Option<CertificateSource> {
    fields.known(&PLACES);
    if let Some(name) = fields.text("secret") {
        return Some(CertificateSource::Secret(name));
    }
    if let Some(path) = fields.text("file") {
        return Some(CertificateSource::File(path));
    }
    ["inline", "inlineString"]
        .into_iter()
        .find_map(|place| fields.text(place))
        .map(|_| CertificateSource::Inline)
}

/// Returns the certificate source of a data source of either shape, and its text if it is inline, with base64
/// decoded.
pub(super) fn with_text(mut fields: Fields<'_>, has_type: bool) -> Option<(CertificateSource, String)> {
    let encoded = fields.text("inline");
    let decoded = encoded.map(|text| {
        let bytes = parse_base64(&text).and_then(|bytes| String::from_utf8(bytes).ok());
        bytes.unwrap_or(text)
    });
    let text = match has_type {
        true => fields.json("insecureInline").get("value").and_then(Value::as_str).map(str::to_owned),
        false => decoded.or_else(|| fields.text("inlineString")),
    };
    let source = if has_type { typed(fields) } else { certificate(fields) };
    source.map(|source| (source, text.unwrap_or_default()))
}

/// Reads and checks a data source of profile 3, in a place where secrets must not come from files or the environment.
pub(super) fn typed(mut fields: Fields<'_>) -> Option<CertificateSource> {
    fields.known(&["file", "envVar"]);
    let mut secret = fields.object("secretRef");
    let mut inline = fields.object("insecureInline");
    secret.known(&["kind"]);
    let (name, value) = (secret.text("name"), inline.text("value"));
    match fields.text("type").as_deref() {
        Some("Secret") if !secret.is_present() => fields.violate("secretRef", MUST_BE_DEFINED),
        Some("Secret") if name.is_none() => secret.violate("name", MUST_BE_DEFINED),
        Some("InsecureInline") if !inline.is_present() => fields.violate("insecureInline", MUST_BE_DEFINED),
        Some("InsecureInline") if value.is_none() => inline.violate("value", MUST_BE_DEFINED),
        Some("Secret") => return name.map(CertificateSource::Secret),
        Some("InsecureInline") => return Some(CertificateSource::Inline),
        other => {
            let kind = other.unwrap_or_default();
            fields.violate("type", format!("{kind} must be one of: Secret, InsecureInline"));
        }
    }
    None
}
