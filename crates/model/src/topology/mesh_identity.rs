//! MeshIdentity and MeshTrust: the identities of workloads, and the authorities that they trust (spec 07 §12, §13).

use std::sync::Arc;
use std::time::Duration;

use crate::reference::Labels;

/// MeshIdentity: the source of identities of workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshIdentity {
    /// Labels that a Dataplane must have to get one; absent: none does.
    pub selects: Option<Labels>,
    /// `spiffeID.trustDomain`; absent: the domain of the zone.
    pub trust_domain: Option<Template>,
    /// `spiffeID.path`; absent: the default of the profile and the environment.
    pub path: Option<Template>,
    /// Issuer of the certificates; absent: none, and only the names are published.
    pub provider: Option<IdentityProvider>,
    /// Readiness that a control plane determined; absent: none yet.
    pub readiness: Option<IdentityReadiness>,
}

/// Issuer of the certificates of a MeshIdentity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityProvider {
    /// Control plane, by an authority in its secrets.
    Bundled {
        /// `true`: a MeshTrust is made of the authority; default `true`.
        creates_trust: bool,
    },
    /// SPIRE agent on the proxy's host.
    Spire {
        /// Connect timeout of the agent; default 1 s.
        timeout: Duration,
    },
    /// Plugin of the reference, which is not supported here.
    Extension,
}

/// Readiness of a MeshIdentity: the condition `Ready` of its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityReadiness {
    /// Certificates are issued.
    Ready,
    /// The names are published, but no certificate is issued.
    PartiallyReady,
    /// It has no effect.
    Failed,
}

/// Text with placeholders that are filled in for each Dataplane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePiece>);

/// Piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePiece {
    /// Fixed text.
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
    /// Action of the template language that is unknown here, as written.
    Unknown(String),
}

/// MeshTrust: the authorities of one trust domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshTrust {
    /// Trust domain.
    pub domain: String,
    /// Certificates of its authorities, in PEM, as written and in that order.
    pub bundles: Vec<Arc<str>>,
}
