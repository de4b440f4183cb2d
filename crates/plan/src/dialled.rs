//! What an application dials.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{ResourceId, Tags};

/// One destination that the application dials, before anybody says where its connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port that the proxy listens on.
    pub port: u16,
    /// What is dialled.
    pub target: DialledTarget,
    /// The section by which the reference marks it, where that is not the target's: the port as the Dataplane has it.
    pub marked: Option<String>,
}

/// What is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialledTarget {
    /// A service of the tag-based model: tags with `kuma.io/service` among them.
    Tags(Tags),
    /// A real service; the section is the name of its port, empty for a MeshExternalService before 2.12.
    Resource(ResourceId),
}

/// The virtual IPs of tag-based services, by mesh and service; what is not here has none.
pub type TagAddresses = BTreeMap<(String, String), IpAddr>;
