//! What a proxy asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::ResourceId;
use plan::{Identity, Mtls, Provider, Trust};

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AuthorityId {
    /// The CA of a mesh.
    Mesh(String),
    /// That of a MeshIdentity.
    Identity(ResourceId),
}

/// What a proxy is to prove, and whom it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Who signs its certificate.
    pub(crate) by: AuthorityId,
    /// Its URI names, or why it has none.
    pub(crate) uris: Result<Vec<String>, String>,
    /// Authorities by trust domain, in PEM; `None`: who has a certificate of the mesh's CA is believed.
    pub(crate) domains: Option<BTreeMap<String, Vec<Arc<str>>>>,
    /// The mesh whose CA joins them as a domain of its name; `None`: it does not.
    pub(crate) joins: Option<String>,
}

impl Request {
    /// What a plan asks for. `None`: somebody else gives the proxy its certificate.
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
    /// Its mesh.
    pub(crate) fn mesh(&self) -> &str {
        match self {
            AuthorityId::Mesh(mesh) => mesh,
            AuthorityId::Identity(id) => &id.mesh,
        }
    }
}

impl fmt::Display for AuthorityId {
    /// `the CA of mesh default`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthorityId::Mesh(mesh) => write!(f, "the CA of mesh {mesh}"),
            AuthorityId::Identity(id) => write!(f, "MeshIdentity {}/{}", id.mesh, id.name),
        }
    }
}
