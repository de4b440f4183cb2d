//! What the ingress of a zone must do for other zones.

use std::collections::BTreeMap;

use model::Tags;

use super::Endpoint;

/// The plan of a zone ingress: connections are told apart by the SNI of mesh TLS, which stays closed (spec 04 §10.2).
#[derive(Clone, Debug, PartialEq)]
pub struct IngressPlan {
    /// The listener's name, e.g. `inbound:10.0.0.1:10001`.
    pub name: String,
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port that the proxy listens on.
    pub port: u16,
    /// What other zones may dial, in the order of the available services.
    pub entries: Vec<IngressEntry>,
    /// The services behind the entries, by name.
    pub clusters: BTreeMap<String, IngressCluster>,
}

/// One SNI that other zones may dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressEntry {
    /// The SNI.
    pub sni: String,
    /// The key in [`IngressPlan::clusters`].
    pub cluster: String,
    /// The tags that endpoints must have.
    pub subset: Tags,
}

/// A service of the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressCluster {
    /// `<mesh>:<service>`, or the destination name of a real service.
    pub name: String,
    /// The sets of keys by which entries choose among its endpoints.
    pub subset_keys: Vec<Vec<String>>,
    /// Its endpoints in this zone, sorted.
    pub endpoints: Vec<Endpoint>,
}
