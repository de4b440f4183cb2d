//! Destinations that an application dials.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{ResourceId, Tags};

/// One destination that the application dials, before any policy routes its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// IP address that the proxy listens on.
    pub address: String,
    /// Port that the proxy listens on.
    pub port: u16,
    /// Destination that is dialled.
    pub target: DialledTarget,
    /// Section by which the reference marks it, if it is not the target's: the port as the Dataplane has it.
    pub marked: Option<String>,
}

/// Destination that an application dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialledTarget {
    /// Tag-based service: tags with `kuma.io/service` among them.
    Tags(Tags),
    /// Real service; the section is the name of its port, empty for a MeshExternalService before 2.12.
    Resource(ResourceId),
}

/// Virtual IPs of tag-based services, by mesh and service; a service without an entry has none.
pub type TagAddresses = BTreeMap<(String, String), IpAddr>;
