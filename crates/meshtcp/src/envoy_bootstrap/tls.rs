//! How Envoy finds out that it talks to its control plane, and to nobody else.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::trust::Trusted;

/// The transport socket of the cluster that leads to control planes on `hosts`: their certificates have to be for one of
/// these, and signed by one in the file, or else by one that the system trusts.
///
/// # Errors
/// In words: the file cannot be used.
pub(super) fn socket(hosts: &[&str], ca_file: Option<&Path>) -> Result<Value, String> {
    let Trusted { file, pem } = Trusted::read(ca_file)?;
    let trusted = match ca_file {
        // what was named may be on this host only
        Some(_) => json!({ "inline_string": String::from_utf8_lossy(&pem) }),
        None => json!({ "filename": file }),
    };
    let by_address = |host: &str| host.parse::<IpAddr>().is_ok();
    let names: Vec<Value> = hosts
        .iter()
        .map(|host| {
            let kind = if by_address(host) { "IP_ADDRESS" } else { "DNS" };
            json!({ "san_type": kind, "matcher": { "exact": host } })
        })
        .collect();
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "validation_context": {
                "trusted_ca": trusted,
                // without this any certificate of theirs would do
                "match_typed_subject_alt_names": names,
            },
        },
    });
    // of several nobody knows which one is dialled
    if let [host] = hosts
        && !by_address(host)
    {
        context["sni"] = (*host).into();
    }
    Ok(json!({ "name": "envoy.transport_sockets.tls", "typed_config": context }))
}
