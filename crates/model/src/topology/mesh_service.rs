//! A service: its ports, and which dataplanes offer it (spec 01 §5).

use crate::reference::{Labels, Tags};
use crate::topology::Protocol;

/// A MeshService.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshService {
    /// Which dataplanes offer it.
    pub selector: ServiceSelector,
    /// Its ports, in the order of the file.
    pub ports: Vec<ServicePort>,
    /// Who its endpoints may say they are.
    pub identities: Vec<Identity>,
    /// Whether a service of another zone has endpoints (computed there).
    pub availability: ServiceAvailability,
    /// `status.vips[].ip`.
    pub vips: Vec<String>,
    /// `status.addresses[].hostname`.
    pub host_names: Vec<String>,
    /// Whether `status.tls.status` is `Ready`; absent: nobody has said yet.
    pub tls_ready: Option<bool>,
}

/// Which dataplanes offer a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServiceSelector {
    /// None: no selector was given.
    #[default]
    None,
    /// Those with an inbound that has all these tags.
    Tags(Tags),
    /// The one with this display name.
    Name {
        /// The display name.
        name: String,
        /// Its namespace, where given.
        namespace: Option<String>,
    },
    /// Those with all these labels (2.14+).
    Labels(Labels),
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; absent: its number stands for it.
    pub name: Option<String>,
    /// What clients dial.
    pub port: u32,
    /// Which inbound takes it; absent: the one with the same port.
    pub target_port: Option<TargetPort>,
    /// `appProtocol`; absent counts as tcp for the outbound, but is no allowed backend (spec 06 no. 47).
    pub protocol: Option<Protocol>,
}

/// Which inbound a service port leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The inbound on this port.
    Number(u32),
    /// The inbound with this name.
    Name(String),
}

/// Who an endpoint of a service may say it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The value of `kuma.io/service`.
    ServiceTag(String),
    /// A SPIFFE id.
    SpiffeId(String),
}

/// Whether a service has endpoints where it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceAvailability {
    /// It has, or nobody said otherwise.
    #[default]
    Available,
    /// It has none.
    Unavailable,
}

impl ServicePort {
    /// The name that identifies the port: its own, or its number as text.
    pub fn effective_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.port.to_string())
    }
}

/// Finds the port that a section means: the first whose name or decimal number is `section`; `""` finds the first
/// unnamed port (spec 01 §5, 04 §7).
pub(crate) fn find_port<'a>(ports: &'a [ServicePort], section: &str) -> Option<&'a ServicePort> {
    ports
        .iter()
        .find(|port| port.name.as_deref().unwrap_or_default() == section || port.port.to_string() == section)
}

impl MeshService {
    /// The port that a section means.
    pub fn port(&self, section: &str) -> Option<&ServicePort> {
        find_port(&self.ports, section)
    }
}
