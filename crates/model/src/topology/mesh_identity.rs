//! MeshIdentity and MeshTrust: who workloads are, and whose word for it counts (spec 07 §12, §13).

use std::sync::Arc;
use std::time::Duration;

use crate::reference::Labels;

/// A MeshIdentity: where workloads get their identities from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshIdentity {
    /// The labels that a Dataplane must have to get one; absent: none does.
    pub selects: Option<Labels>,
    /// `spiffeID.trustDomain`; absent: the domain of the zone.
    pub trust_domain: Option<Template>,
    /// `spiffeID.path`; absent: as the profile and the environment say.
    pub path: Option<Template>,
    /// Who issues the certificates; absent: nobody, and only the names are published.
    pub provider: Option<IdentityProvider>,
    /// What a control plane found out about it; absent: nothing was written down yet.
    pub readiness: Option<IdentityReadiness>,
}

/// Who issues the certificates of a MeshIdentity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityProvider {
    /// The control plane, by an authority in its secrets.
    Bundled {
        /// Whether a MeshTrust is made of the authority; default true.
        creates_trust: bool,
    },
    /// The SPIRE agent on the proxy's host.
    Spire {
        /// How long connecting to the agent may take; default 1 s.
        timeout: Duration,
    },
    /// A plugin of the reference, which nobody here speaks.
    Extension,
}

/// What a control plane found out about a MeshIdentity: the condition `Ready` of its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityReadiness {
    /// Certificates are issued.
    Ready,
    /// The names are published, but no certificate is issued.
    PartiallyReady,
    /// It does nothing.
    Failed,
}

/// A text with places that are filled in for each Dataplane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePiece>);

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePiece {
    /// The same for everybody.
    Text(String),
    /// `.Mesh`.
    Mesh,
    /// `.Zone`.
    Zone,
    /// `.Namespace`.
    Namespace,
    /// `.ServiceAccount`.
    ServiceAccount,
    /// `.Workload`.
    Workload,
    /// `label "KEY"`: the value of that label of the Dataplane.
    Label(String),
    /// An action of the template language that has no meaning here, as it is written.
    Unknown(String),
}

/// A MeshTrust: the authorities of one trust domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshTrust {
    /// The trust domain.
    pub domain: String,
    /// The certificates of its authorities, in PEM, as they are written and in that order.
    pub bundles: Vec<Arc<str>>,
}
