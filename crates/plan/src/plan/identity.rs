//! How a proxy proves who it is, and whom it believes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::ResourceId;

/// How a proxy proves who it is, and whom it believes (spec 07 §1). No key and no secret ever stands in it: who issues
/// certificates reads those from the Mesh or the MeshIdentity that it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mtls {
    /// The mesh.
    pub mesh: String,
    /// Whether inbounds take plaintext too, as the mesh says; never with a workload identity.
    pub permissive: bool,
    /// Who issues its certificate.
    pub identity: Identity,
    /// The URI SANs of its certificate in their order, exactly one where a MeshIdentity issues it; or why none can be
    /// issued, in which case it takes and makes no connection of the mesh.
    pub uris: Result<Vec<String>, Unissued>,
    /// Whose certificates it believes.
    pub trust: Trust,
    /// Whether secrets have the names that came with unified naming (2.12+).
    pub unified_names: bool,
}

/// Who issues the certificate of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The CA of the mesh (spec 07 §4).
    MeshCa {
        /// The name of the enabled mTLS backend.
        backend: String,
    },
    /// A MeshIdentity (spec 07 §12).
    Workload {
        /// The MeshIdentity; its KRI names the certificate.
        by: ResourceId,
        /// Who issues for it.
        provider: Provider,
    },
}

/// Who issues the certificates of a MeshIdentity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// The control plane.
    Bundled,
    /// The SPIRE agent beside the proxy, which hands out the authorities too.
    Spire {
        /// How long connecting to the agent may take.
        timeout: Duration,
        /// Socket of the agent, as the proxy announced it; `None`: the default of agents.
        socket: Option<Arc<str>>,
    },
}

/// Whose certificates a proxy believes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Everybody's that the CA of the mesh signed.
    MeshCa,
    /// By the trust domain of a certificate's first URI SAN: whom the authorities of that domain signed.
    Domains {
        /// The certificates of the authorities that MeshTrusts name, in PEM as written, by trust domain.
        bundles: BTreeMap<String, Vec<Arc<str>>>,
        /// Whether the CA of the mesh joins them as authority of the domain that is named after the mesh (spec 07 §13.3).
        with_mesh_ca: bool,
    },
    /// Whom the SPIRE agent vouches for.
    Spire,
}

/// Why no certificate can be issued for a proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unissued {
    /// Nothing says which service it is (spec 07 §4).
    NoService {
        /// The name of its Dataplane.
        dataplane: String,
    },
    /// The name of a service is none that fits into a URI.
    BadService {
        /// The value of `kuma.io/service`.
        service: String,
    },
    /// A label that the MeshIdentity names is not on the Dataplane.
    NoLabel {
        /// The label.
        label: String,
    },
    /// A template of the MeshIdentity has an action that means nothing.
    UnknownAction {
        /// The action, without braces.
        action: String,
    },
    /// What the templates of the MeshIdentity give is no SPIFFE ID.
    BadId {
        /// What they give.
        id: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Mtls {
    /// Whether a MeshIdentity gives the proxy its certificate, instead of the CA of the mesh.
    pub fn has_workload_identity(&self) -> bool {
        matches!(self.identity, Identity::Workload { .. })
    }

    /// The trust domains whose certificates it believes, sorted; none where others decide that.
    pub fn domains(&self) -> Vec<&str> {
        match &self.trust {
            Trust::MeshCa | Trust::Spire => Vec::new(),
            Trust::Domains { bundles, with_mesh_ca } => {
                let mut domains: Vec<&str> = bundles.keys().map(String::as_str).collect();
                domains.extend(with_mesh_ca.then_some(self.mesh.as_str()));
                domains.sort_unstable();
                domains.dedup();
                domains
            }
        }
    }
}

impl fmt::Display for Identity {
    /// `` backend `ca-1` `` or `MeshIdentity default/identity`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::MeshCa { backend } => write!(f, "backend `{backend}`"),
            Identity::Workload { by, provider: _ } => write!(f, "{} {}/{}", by.kind, by.mesh, by.name),
        }
    }
}

impl fmt::Display for Unissued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unissued::NoService { dataplane } => write!(
                f,
                "dataplane \"{dataplane}\" has no kuma.io/service tag and no kuma.io/workload label, cannot derive mTLS identity"
            ),
            Unissued::BadService { service } => write!(
                f,
                "the service name `{service}` does not fit into a SPIFFE ID: only letters, digits, `.`, `-` and `_` do"
            ),
            Unissued::NoLabel { label } => write!(f, "the Dataplane has no label `{label}`"),
            Unissued::UnknownAction { action } => {
                write!(f, "the template action `{{{{ {action} }}}}` means nothing here")
            }
            Unissued::BadId { id, why } => write!(f, "`{id}` is no SPIFFE ID: {why}"),
        }
    }
}
