//! TLS to services outside the mesh in the L4 dialect.

use model::policy::TlsVersion as Named;
use plan::{Authority, ExternalName, ExternalPeer, ExternalTls};
use xds::proto::l4::{NamePattern, OutsideTls};

use super::tls::{newest, oldest};

/// Converts the TLS to a service outside the mesh, or returns the reason why it cannot be dialled.
pub(super) fn to_outside(tls: &ExternalTls) -> Result<OutsideTls, String> {
    let ExternalTls { server_name, verify, client_certificate } = tls;
    let mut said = OutsideTls {
        server_name: server_name.clone().unwrap_or_default(),
        certificate: client_certificate.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..OutsideTls::default()
    };
    match verify {
        ExternalPeer::Anybody => said.anybody = true,
        ExternalPeer::Certified { by, names, min, max } => {
            match by {
                Authority::Host => {}
                // an empty list could not be distinguished from the host's authorities
                Authority::Inline(pem) if pem.trim().is_empty() => {
                    return Err("its authority is empty: nobody could be believed".into());
                }
                Authority::Inline(pem) => said.anchors_pem = pem.as_ref().to_owned(),
                Authority::Secret(named) => said.trust = named.to_string(),
            }
            let (addresses, dns): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.is_address);
            said.dns_names = dns.into_iter().map(pattern).collect();
            said.addresses = addresses.into_iter().map(pattern).collect();
            said.min_version = oldest(min.unwrap_or(Named::Auto)).into();
            said.max_version = newest(max.unwrap_or(Named::Auto))?.into();
        }
    }
    Ok(said)
}

fn pattern(ExternalName { is_address: _, is_prefix, name }: &ExternalName) -> NamePattern {
    let name = name.clone();
    match is_prefix {
        true => NamePattern { prefix: name, ..NamePattern::default() },
        false => NamePattern { exact: name, ..NamePattern::default() },
    }
}
