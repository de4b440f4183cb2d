//! Identity of a proxy, and the peers that it trusts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::ResourceId;

/// Identity of a proxy, and the peers that it trusts (spec 07 §1). It never holds a key or a secret: the issuer of
/// certificates reads those from the Mesh or the MeshIdentity that it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mtls {
    /// Mesh that the identity is of.
    pub mesh: String,
    /// `true`: the mesh lets inbounds accept plaintext too; never with a workload identity.
    pub permissive: bool,
    /// Issuer of its certificate.
    pub identity: Identity,
    /// URI SANs of its certificate in their order, exactly one if a MeshIdentity issues it; or the reason why none
    /// can be issued, in which case the proxy accepts and makes no connection of the mesh.
    pub uris: Result<Vec<String>, Unissued>,
    /// Peers that it trusts.
    pub trust: Trust,
    /// `true`: secrets have the names of unified naming (2.12+).
    pub unified_names: bool,
}

/// Issuer of the certificate of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// CA of the mesh (spec 07 §4).
    MeshCa {
        /// Name of the enabled mTLS backend.
        backend: String,
    },
    /// MeshIdentity (spec 07 §12).
    Workload {
        /// MeshIdentity whose KRI names the certificate.
        by: ResourceId,
        /// Provider that issues for it.
        provider: Provider,
    },
}

/// Provider of the certificates of a MeshIdentity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Control plane.
    Bundled,
    /// SPIRE agent beside the proxy, which provides the authorities too.
    Spire {
        /// Connect timeout of the agent.
        timeout: Duration,
        /// Socket of the agent, as the proxy announced it; `None`: the default of agents.
        socket: Option<Arc<str>>,
    },
}

/// Peers that a proxy trusts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// All peers with a certificate signed by the CA of the mesh.
    MeshCa,
    /// Peers by the trust domain of their certificate's first URI SAN: the authorities of that domain must have
    /// signed it.
    Domains {
        /// Certificates of the authorities that MeshTrusts name, in PEM as written, by trust domain.
        bundles: BTreeMap<String, Vec<Arc<str>>>,
        /// `true`: the CA of the mesh is an authority of the domain that is named after the mesh too (spec 07
        /// §13.3).
        with_mesh_ca: bool,
    },
    /// Peers that the SPIRE agent vouches for.
    Spire,
}

/// Reason why no certificate can be issued for a proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unissued {
    /// The proxy has no service (spec 07 §4).
    NoService {
        /// Name of its Dataplane.
        dataplane: String,
    },
    /// The name of a service is not valid in a URI.
    BadService {
        /// Value of `kuma.io/service`.
        service: String,
    },
    /// The Dataplane lacks a label that the MeshIdentity refers to.
    NoLabel {
        /// Name of the label.
        label: String,
    },
    /// A template of the MeshIdentity has an unknown action.
    UnknownAction {
        /// Action, without braces.
        action: String,
    },
    /// The templates of the MeshIdentity do not yield a valid SPIFFE ID.
    BadId {
        /// Result of the templates.
        id: String,
        /// Reason why it is not valid.
        why: &'static str,
    },
}

impl Mtls {
    /// Returns `true` if a MeshIdentity issues the proxy's certificate, instead of the CA of the mesh.
    pub fn has_workload_identity(&self) -> bool {
        matches!(self.identity, Identity::Workload { .. })
    }

    /// Returns the trust domains whose certificates it trusts, sorted; none if the mesh CA or SPIRE decides that.
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
    /// Writes `` backend `ca-1` `` or `MeshIdentity default/identity`.
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
