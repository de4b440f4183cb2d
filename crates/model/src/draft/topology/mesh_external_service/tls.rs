//! Reader of `tls`: TLS to a service outside the mesh.

use crate::draft::Fields;
use crate::draft::topology::address::is_dns_name;
use crate::draft::topology::data_source;
use crate::draft::topology::mesh_external_service::word;
use crate::policy::TlsVersion;
use crate::profile::Profile;
use crate::topology::{AltName, ExternalTls, Verification};

/// TLS versions in order; the first is the library's default.
const VERSIONS: [&str; 5] = ["TLSAuto", "TLS10", "TLS11", "TLS12", "TLS13"];

/// Reads and checks the TLS settings. `None`: there are none, or they are not enabled.
pub(super) fn read(mut tls: Fields<'_>, profile: Profile) -> Option<ExternalTls> {
    tls.known(&["allowRenegotiation"]);
    let (min, max) = versions(tls.object("version"));
    let settings = verification(tls.object("verification"), profile);
    tls.flag("enabled").unwrap_or_default().then_some(ExternalTls { min, max, ..settings })
}

fn versions(mut version: Fields<'_>) -> (Option<TlsVersion>, Option<TlsVersion>) {
    let known = |word: Option<String>| {
        let at = VERSIONS.iter().position(|known| word.as_deref() == Some(known))?;
        TlsVersion::ALL.get(at).copied().filter(|version| *version != TlsVersion::Auto)
    };
    let min = known(word(&mut version, "min", &VERSIONS));
    let max = known(word(&mut version, "max", &VERSIONS));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        version.violate("min", "min version must be lower than max");
    }
    (min, max)
}

fn verification(mut fields: Fields<'_>, profile: Profile) -> ExternalTls {
    let server_name = fields.text("serverName");
    if server_name.as_deref().is_some_and(|name| !is_dns_name(name)) {
        fields.violate("serverName", "must be a valid DNS name");
    }
    let verification =
        match word(&mut fields, "mode", &["SkipSAN", "SkipCA", "SkipAll", "Secured"]).as_deref() {
            Some("SkipSAN") => Verification::SkipSan,
            Some("SkipCA") => Verification::SkipCa,
            Some("SkipAll") => Verification::SkipAll,
            Some(_) | None => Verification::Secured,
        };
    let alt_names = fields.list("subjectAltNames", |mut name| {
        let value = name.string("value");
        match word(&mut name, "type", &["Prefix", "Exact"]).as_deref() {
            Some("Prefix") => AltName::Prefix(value),
            Some(_) | None => AltName::Exact(value),
        }
    });
    let certificates = certificates(&mut fields, profile);
    ExternalTls { server_name, verification, alt_names, ..certificates }
}

fn certificates(fields: &mut Fields<'_>, profile: Profile) -> ExternalTls {
    match (fields.has("clientCert"), fields.has("clientKey")) {
        (true, false) => fields.violate("clientKey", "must be defined when clientCert is defined"),
        (false, true) => fields.violate("clientCert", "must be defined when clientKey is defined"),
        _ => {}
    }
    let mut source = |name| {
        let source = fields.object(name);
        let has_type = source.is_present() && profile.data_sources_have_types();
        data_source::with_text(source, has_type)
    };
    ExternalTls::of_certificates(source("caCert"), source("clientCert"), source("clientKey"))
}
