//! MeshService: a service's ports, and the dataplanes that offer it (spec 01 §5).

use crate::reference::{Labels, Tags};
use crate::topology::Protocol;

/// MeshService: a service of the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshService {
    /// Selector of the dataplanes that offer it.
    pub selector: ServiceSelector,
    /// Ports, in the order of the file.
    pub ports: Vec<ServicePort>,
    /// Identities that its endpoints may have.
    pub identities: Vec<Identity>,
    /// Availability of a service of another zone (computed there).
    pub availability: ServiceAvailability,
    /// `status.vips[].ip`.
    pub vips: Vec<String>,
    /// `status.addresses[].hostname`.
    pub host_names: Vec<String>,
    /// `true`: `status.tls.status` is `Ready`; absent: not computed yet.
    pub tls_ready: Option<bool>,
}

/// Selector of the dataplanes that offer a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServiceSelector {
    /// No selector was given: it selects none.
    #[default]
    None,
    /// Dataplanes with an inbound that has all these tags.
    Tags(Tags),
    /// Dataplane with this display name.
    Name {
        /// Display name.
        name: String,
        /// Namespace; absent: any.
        namespace: Option<String>,
    },
    /// Dataplanes with all these labels (2.14+).
    Labels(Labels),
}

/// Port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Name of the port; absent: its number stands for it.
    pub name: Option<String>,
    /// Port number that clients dial.
    pub port: u32,
    /// Inbound that takes its connections; absent: the one with the same port.
    pub target_port: Option<TargetPort>,
    /// `appProtocol`; absent: tcp for the outbound, but not an allowed backend (spec 06 no. 47).
    pub protocol: Option<Protocol>,
}

/// Inbound that a service port leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// Inbound on this port.
    Number(u32),
    /// Inbound with this name.
    Name(String),
}

/// Identity that an endpoint of a service may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Value of `kuma.io/service`.
    ServiceTag(String),
    /// SPIFFE ID.
    SpiffeId(String),
}

/// Availability of a service in its own zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceAvailability {
    /// It has endpoints, or its availability is unknown.
    #[default]
    Available,
    /// It has no endpoints.
    Unavailable,
}

impl ServicePort {
    /// Name that identifies the port: its own, or its number as text.
    pub fn effective_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.port.to_string())
    }
}

/// Returns the port that a section refers to: the first whose name or decimal number is `section`; `""` finds the
/// first unnamed port (spec 01 §5, 04 §7).
pub(crate) fn find_port<'a>(ports: &'a [ServicePort], section: &str) -> Option<&'a ServicePort> {
    ports
        .iter()
        .find(|port| port.name.as_deref().unwrap_or_default() == section || port.port.to_string() == section)
}

impl MeshService {
    /// Returns the port that a section refers to.
    pub fn port(&self, section: &str) -> Option<&ServicePort> {
        find_port(&self.ports, section)
    }
}
