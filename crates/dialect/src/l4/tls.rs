//! TLS between proxies of a mesh in the L4 dialect.

use crate::secrets::{name_of_identity, name_of_trust};
use model::policy::{TlsCipher, TlsVersion as Named};
use plan::{Identity, Mtls, PeerNames, Provider, ProxyTls, Sourced, Terminated, TlsParams, Trust};
use xds::proto::l4::{
    AGENT_TRUST, ClientTls, NamePattern, ServerNameOfZone, ServerTls, TlsTerms, TlsVersion, agent_certificate,
};

/// Protocol that identifies proxies of a mesh (ALPN).
const MESH: &str = "kuma";

/// Converts the TLS termination of an inbound, or returns the reason why it cannot terminate TLS.
pub(super) fn ended(terminated: &Terminated) -> Result<ServerTls, String> {
    let Terminated { mtls, permissive, mode_by: _, params, peer_prefixes, permissions: _, counted_as: _ } =
        terminated;
    let prefix = |prefix: &String| NamePattern { prefix: prefix.clone(), ..NamePattern::default() };
    let terms = terms(mtls, &mtls.mesh, peer_prefixes.iter().map(prefix).collect());
    Ok(ServerTls { permissive: *permissive, terms: Some(limited(terms, params)?) })
}

/// Converts the TLS to proxies of a mesh, or returns the reason why they cannot be dialled.
pub(super) fn begun(tls: &ProxyTls, mtls: Option<&Mtls>) -> Result<ClientTls, String> {
    // The plan has decided whether plaintext would do too.
    let ProxyTls { sni, sni_of_zones, peers, mesh, optional: _, params } = tls;
    let Some(mtls) = mtls else {
        return Err(format!("mesh `{mesh}` requires mTLS, and this proxy has no identity to prove"));
    };
    let exact = |id: &String| NamePattern { exact: id.clone(), ..NamePattern::default() };
    let names = match peers {
        PeerNames::Any => Vec::new(),
        PeerNames::Exact(ids) => ids.iter().map(exact).collect(),
        PeerNames::Prefix(prefix) => vec![NamePattern { prefix: prefix.clone(), ..NamePattern::default() }],
    };
    let of_zone =
        |(zone, sni): (&String, &String)| ServerNameOfZone { zone: zone.clone(), server_name: sni.clone() };
    Ok(ClientTls {
        server_name: sni.clone(),
        protocols: vec![MESH.into()],
        terms: Some(limited(terms(mtls, mesh, names), params)?),
        zones: sni_of_zones.iter().map(of_zone).collect(),
    })
}

/// Returns the identity of the proxy, and the peers that it trusts in a mesh.
fn terms(mtls: &Mtls, mesh: &str, names: Vec<NamePattern>) -> TlsTerms {
    let Mtls { mesh: _, permissive: _, identity, uris, trust, unified_names: _ } = mtls;
    let certificate = match (identity, uris.as_deref()) {
        // the agent beside the proxy hands it out, by the name in it
        (Identity::Workload { by: _, provider: Provider::Spire { .. } }, Ok([id, ..])) => {
            agent_certificate(id)
        }
        _ => name_of_identity(mtls),
    };
    let trust = match trust {
        Trust::Spire if *mesh == mtls.mesh => AGENT_TRUST.to_owned(),
        Trust::Spire | Trust::MeshCa | Trust::Domains { .. } => name_of_trust(mtls, mesh),
    };
    TlsTerms { certificate, trust, names, ..TlsTerms::default() }
}

/// Applies the configured versions and suites. A minimum older than this proxy supports is replaced by its default.
fn limited(terms: TlsTerms, TlsParams { min, max, ciphers }: &TlsParams) -> Result<TlsTerms, String> {
    let said = |version: &Option<Sourced<Named>>| version.as_ref().map_or(Named::Auto, |said| said.value);
    let (min_version, max_version) = (oldest(said(min)), newest(said(max))?);
    let ciphers = ciphers.as_ref().map(|said| said.value.as_slice()).unwrap_or_default();
    Ok(TlsTerms {
        min_version: min_version.into(),
        max_version: max_version.into(),
        ciphers: ciphers.iter().map(|cipher: &TlsCipher| cipher.as_str().to_owned()).collect(),
        ..terms
    })
}

/// Returns the minimum version, from the configured one; the default, if that is older than this proxy supports.
pub(super) fn oldest(said: Named) -> TlsVersion {
    match said {
        Named::Auto | Named::V1_0 | Named::V1_1 => TlsVersion::Auto,
        Named::V1_2 => TlsVersion::Tls12,
        Named::V1_3 => TlsVersion::Tls13,
    }
}

/// Returns the maximum version, from the configured one, or the reason why there is none.
pub(super) fn newest(said: Named) -> Result<TlsVersion, String> {
    match said {
        Named::Auto => Ok(TlsVersion::Auto),
        Named::V1_2 => Ok(TlsVersion::Tls12),
        Named::V1_3 => Ok(TlsVersion::Tls13),
        Named::V1_0 | Named::V1_1 => {
            Err("TLS 1.1 at most is wanted, and this proxy speaks 1.2 and 1.3".to_owned())
        }
    }
}
