//! Handshakes of two proxies by their plans, before any connection: the certificates of both, and which end would
//! refuse the other.
//!
//! Dates, keys and signatures are not checked: certificates are assumed to be issued as planned, by the named
//! authority.

use std::fmt;

use model::policy::TlsVersion;
use plan::{Mtls, PeerNames, ProxyTls, Sourced, TlsParams, Trust};
use serde::Serialize;

/// Outcome of a handshake between two proxies of a mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// Certificate of the client.
    pub client: ExpectedCertificate,
    /// Certificate of the server.
    pub server: ExpectedCertificate,
    /// Server name (SNI) of the client; absent: it does not dial this inbound.
    pub server_name: Option<String>,
    /// End that would refuse the other, and the reason; absent: neither, as far as plans can tell.
    pub refused: Option<String>,
}

/// Certificate as it is to be issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedCertificate {
    /// URI names in it, in their order; empty: it cannot be issued.
    pub names: Vec<String>,
    /// Issuer: a backend of the mesh, or a MeshIdentity.
    pub issued_by: String,
}

/// Ends of a handshake: the client, with its settings for the endpoint, and the server.
pub(crate) struct Ends<'a> {
    pub(crate) client: &'a Mtls,
    /// Settings of the client for the endpoint; `None`: it does not dial the inbound.
    pub(crate) dials: Option<&'a ProxyTls>,
    pub(crate) server: &'a Mtls,
    pub(crate) takes: &'a TlsParams,
    /// Prefixes of which a name of the client must have one; empty: any name.
    pub(crate) takes_names: &'a [String],
}

impl Handshake {
    pub(crate) fn between(ends: &Ends<'_>) -> Self {
        let Ends { client, dials, server, .. } = ends;
        Self {
            client: ExpectedCertificate::of(client),
            server: ExpectedCertificate::of(server),
            server_name: dials.map(|dials| dials.sni.clone()),
            refused: refused(ends),
        }
    }
}

impl ExpectedCertificate {
    fn of(mtls: &Mtls) -> Self {
        let names = mtls.uris.as_ref().cloned().unwrap_or_default();
        Self { names, issued_by: mtls.identity.to_string() }
    }
}

fn refused(Ends { client, dials, server, takes, takes_names }: &Ends<'_>) -> Option<String> {
    let (ours, theirs) = match (&client.uris, &server.uris) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(why), _) => return Some(format!("the client has no certificate: {why}")),
        (_, Err(why)) => return Some(format!("the server has no certificate: {why}")),
    };
    if let Some(dials) = dials {
        if let Some(why) = distrust(client, server, theirs, &dials.mesh) {
            return Some(format!("the client refuses the server: {why}"));
        }
        if let Some(why) = misnamed(&dials.peers, theirs) {
            return Some(format!("the client refuses the server: {why}"));
        }
        if let Some(why) = no_common_version(&dials.params, takes) {
            return Some(why);
        }
    }
    if client.mesh == server.mesh
        && let Some(why) = distrust(server, client, ours, &server.mesh)
    {
        return Some(format!("the server refuses the client: {why}"));
    }
    let is_taken = |name: &String| takes_names.iter().any(|prefix| name.starts_with(prefix));
    (!takes_names.is_empty() && !ours.iter().any(is_taken)).then(|| {
        let prefixes = takes_names.join(", ");
        format!("the server refuses the client: no name in its certificate begins with {prefixes}")
    })
}

/// Reason why the certificate of `whose`, with these names, is not trusted by a proxy that assumes the mesh `mesh`.
fn distrust(believer: &Mtls, whose: &Mtls, names: &[String], mesh: &str) -> Option<String> {
    let only_ca = || {
        let is_of_it = !whose.has_workload_identity() && whose.mesh == mesh;
        let issuer = &whose.identity;
        (!is_of_it)
            .then(|| format!("it believes the CA of mesh {mesh} only, and the certificate is of {issuer}"))
    };
    match &believer.trust {
        // the agent alone knows the domains that it vouches for
        Trust::Spire => None,
        // another mesh vouches for its own
        Trust::Domains { .. } if mesh != believer.mesh => only_ca(),
        Trust::MeshCa => only_ca(),
        Trust::Domains { .. } => {
            let first = names.first().map(String::as_str).unwrap_or_default();
            let domain = first.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next());
            let known = believer.domains();
            (!domain.is_some_and(|domain| known.contains(&domain))).then(|| {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                format!("it believes trust domains {known}, and the first name in the certificate is {first}")
            })
        }
    }
}

/// Reason why a server with these names is not the intended one.
fn misnamed(wanted: &PeerNames, names: &[String]) -> Option<String> {
    let (is_one, wanted) = match wanted {
        PeerNames::Any => return None,
        PeerNames::Exact(wanted) => (names.iter().any(|name| wanted.contains(name)), wanted.join(" or ")),
        PeerNames::Prefix(prefix) => {
            (names.iter().any(|name| name.starts_with(prefix)), format!("a name that begins with {prefix}"))
        }
    };
    (!is_one).then(|| format!("it wants {wanted}, and the certificate says {}", names.join(", ")))
}

/// Reason why two ends have no TLS version in common.
fn no_common_version(client: &TlsParams, server: &TlsParams) -> Option<String> {
    let said = |bound: &Option<Sourced<TlsVersion>>| {
        bound.as_ref().map(|it| it.value).filter(|version| *version != TlsVersion::Auto)
    };
    let lies_below = |most, least| said(most).zip(said(least)).is_some_and(|(most, least)| most < least);
    (lies_below(&client.max, &server.min) || lies_below(&server.max, &client.min))
        .then(|| "both refuse: there is no version of TLS that both may speak".to_owned())
}

impl fmt::Display for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, server, server_name, refused } = self;
        writeln!(f, "  the client shows {client}")?;
        writeln!(f, "  the server shows {server}")?;
        if let Some(name) = server_name {
            writeln!(f, "  the client asks for the server name {name}")?;
        }
        match refused {
            Some(why) => write!(f, "  the handshake would fail: {why}"),
            None => {
                write!(f, "  neither refuses the other, if both have these certificates and they are valid")
            }
        }
    }
}

impl fmt::Display for ExpectedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, issued_by } = self;
        match names.as_slice() {
            [] => write!(f, "no certificate, which {issued_by} would issue"),
            names => write!(f, "{}, of {issued_by}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Kind, ResourceId};
    use plan::{Identity, Provider, Unissued};

    use super::*;

    fn of_ca(service: &str) -> Mtls {
        Mtls {
            mesh: "default".into(),
            permissive: false,
            identity: Identity::MeshCa { backend: "ca".into() },
            uris: Ok(vec![
                format!("spiffe://default/{service}"),
                format!("kuma://kuma.io/service/{service}"),
            ]),
            trust: Trust::MeshCa,
            unified_names: false,
        }
    }

    fn of_workload(service: &str, domains: &[&str], with_mesh_ca: bool) -> Mtls {
        let by = ResourceId {
            kind: Kind::MeshIdentity,
            mesh: "default".into(),
            zone: String::new(),
            namespace: String::new(),
            name: "own".into(),
            section: String::new(),
        };
        let bundles: BTreeMap<_, _> = domains.iter().map(|it| ((*it).to_owned(), Vec::new())).collect();
        Mtls {
            identity: Identity::Workload { by, provider: Provider::Bundled },
            uris: Ok(vec![format!("spiffe://own.example/{service}")]),
            trust: Trust::Domains { bundles, with_mesh_ca },
            ..of_ca(service)
        }
    }

    fn dials(peers: PeerNames) -> ProxyTls {
        ProxyTls {
            sni: "db{mesh=default}".into(),
            sni_of_zones: BTreeMap::new(),
            peers,
            mesh: "default".into(),
            optional: false,
            params: TlsParams::default(),
        }
    }

    fn between(client: &Mtls, server: &Mtls, peers: PeerNames, takes_names: &[&str]) -> Option<String> {
        let takes_names: Vec<String> = takes_names.iter().map(|it| (*it).to_owned()).collect();
        let (dials, takes) = (dials(peers), TlsParams::default());
        let ends = Ends { client, dials: Some(&dials), server, takes: &takes, takes_names: &takes_names };
        Handshake::between(&ends).refused
    }

    #[test]
    fn who_would_refuse_whom_is_told_with_the_names() {
        let exact = |name: &str| PeerNames::Exact(vec![name.to_owned()]);
        let of_db = || exact("spiffe://default/db");
        let (web, db) = (of_ca("web"), of_ca("db"));
        assert_eq!(between(&web, &db, of_db(), &["spiffe://default/"]), None);
        for (client, server, peers, takes, why) in [
            (
                &web,
                &db,
                exact("spiffe://default/other"),
                &[][..],
                "the client refuses the server: it wants spiffe://default/other",
            ),
            (
                &web,
                &db,
                PeerNames::Prefix("spiffe://x/".into()),
                &[],
                "it wants a name that begins with spiffe://x/",
            ),
            (
                &web,
                &db,
                of_db(),
                &["spiffe://other/"],
                "the server refuses the client: no name in its certificate begins",
            ),
            (
                &web,
                &of_workload("db", &["own.example"], true),
                of_db(),
                &[],
                "it believes the CA of mesh default only",
            ),
            (
                &of_workload("web", &[], false),
                &db,
                of_db(),
                &[],
                "the client refuses the server: it believes trust domains none",
            ),
            (
                &of_workload("web", &[], true),
                &db,
                of_db(),
                &[],
                "the server refuses the client: it believes the CA of mesh",
            ),
            (
                &Mtls { uris: Err(Unissued::NoLabel { label: "app".into() }), ..web.clone() },
                &db,
                of_db(),
                &[],
                "the client has no certificate",
            ),
        ] {
            let found = between(client, server, peers, takes).unwrap_or_default();
            assert!(found.contains(why), "{why}: {found}");
        }
        let both = ["own.example"];
        let own = exact("spiffe://own.example/db");
        let found = between(&of_workload("web", &both, false), &of_workload("db", &both, false), own, &[]);
        assert_eq!(found, None);
    }
}
