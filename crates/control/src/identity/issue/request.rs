//! Request of a proxy for a certificate.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::ResourceId;
use plan::{Identity, Mtls, Provider, Trust};

/// Id of a signing authority.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AuthorityId {
    /// CA of a mesh.
    Mesh(String),
    /// Authority of a MeshIdentity.
    Identity(ResourceId),
}

/// Names that a proxy is to prove, and the authorities that it trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Signer of its certificate.
    pub(crate) by: AuthorityId,
    /// URI names; `Err`: the reason for having none.
    pub(crate) uris: Result<Vec<String>, String>,
    /// Trusted authorities by trust domain, in PEM; `None`: the CA of the mesh is trusted.
    pub(crate) domains: Option<BTreeMap<String, Vec<Arc<str>>>>,
    /// Mesh whose CA joins them as a domain of its name; `None`: none does.
    pub(crate) joins: Option<String>,
}

impl Request {
    /// Derives the request from a plan. `None`: somebody else issues the certificate of the proxy.
    pub(crate) fn of(mtls: &Mtls) -> Option<Self> {
        let Mtls { mesh, permissive: _, identity, uris, trust, unified_names: _ } = mtls;
        let by = match identity {
            Identity::MeshCa { backend: _ } => AuthorityId::Mesh(mesh.clone()),
            Identity::Workload { by, provider: Provider::Bundled } => AuthorityId::Identity(by.clone()),
            Identity::Workload { by: _, provider: Provider::Spire { .. } } => return None,
        };
        let (domains, joins) = match trust {
            Trust::MeshCa | Trust::Spire => (None, None),
            Trust::Domains { bundles, with_mesh_ca } => {
                (Some(bundles.clone()), with_mesh_ca.then(|| mesh.clone()))
            }
        };
        Some(Self { by, uris: uris.clone().map_err(|why| why.to_string()), domains, joins })
    }
}

impl AuthorityId {
    /// Returns its mesh.
    pub(crate) fn mesh(&self) -> &str {
        match self {
            AuthorityId::Mesh(mesh) => mesh,
            AuthorityId::Identity(id) => &id.mesh,
        }
    }
}

impl fmt::Display for AuthorityId {
    /// Writes, for example, `the CA of mesh default`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthorityId::Mesh(mesh) => write!(f, "the CA of mesh {mesh}"),
            AuthorityId::Identity(id) => write!(f, "MeshIdentity {}/{}", id.mesh, id.name),
        }
    }
}
