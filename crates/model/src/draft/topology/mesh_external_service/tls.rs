//! `tls`: TLS from the egress to an external service.

use crate::draft::Fields;
use crate::draft::topology::address::is_dns_name;
use crate::draft::topology::data_source;
use crate::draft::topology::mesh_external_service::word;
use crate::profile::Profile;
use crate::topology::ExternalTls;

/// In their order; the first means "whatever the library takes".
const VERSIONS: [&str; 5] = ["TLSAuto", "TLS10", "TLS11", "TLS12", "TLS13"];

/// Reads and checks the TLS settings. `None` when there are none, or they are not enabled.
pub(super) fn read(mut tls: Fields<'_>, profile: Profile) -> Option<ExternalTls> {
    tls.known(&["allowRenegotiation"]);
    versions(tls.object("version"));
    let settings = verification(tls.object("verification"), profile);
    tls.flag("enabled").unwrap_or_default().then_some(settings)
}

fn versions(mut version: Fields<'_>) {
    let rank = |word: Option<String>| {
        VERSIONS.iter().position(|known| word.as_deref() == Some(known)).filter(|rank| *rank > 0)
    };
    let min = rank(word(&mut version, "min", &VERSIONS));
    let max = rank(word(&mut version, "max", &VERSIONS));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        version.violate("min", "min version must be lower than max");
    }
}

fn verification(mut fields: Fields<'_>, profile: Profile) -> ExternalTls {
    let server_name = fields.text("serverName");
    if server_name.as_deref().is_some_and(|name| !is_dns_name(name)) {
        fields.violate("serverName", "must be a valid DNS name");
    }
    let mode = word(&mut fields, "mode", &["SkipSAN", "SkipCA", "SkipAll", "Secured"]);
    for mut name in fields.items("subjectAltNames") {
        name.known(&["value"]);
        word(&mut name, "type", &["Prefix", "Exact"]);
    }
    certificates(&mut fields, profile);
    ExternalTls { server_name, skip_verification: mode.as_deref() == Some("SkipAll") }
}

fn certificates(fields: &mut Fields<'_>, profile: Profile) {
    match (fields.has("clientCert"), fields.has("clientKey")) {
        (true, false) => fields.violate("clientKey", "must be defined when clientCert is defined"),
        (false, true) => fields.violate("clientCert", "must be defined when clientKey is defined"),
        _ => {}
    }
    for name in ["caCert", "clientCert", "clientKey"] {
        let source = fields.object(name);
        if source.is_present() && profile.data_sources_have_types() {
            data_source::check_typed(source);
        } else {
            data_source::certificate(source);
        }
    }
}
