//! Host names of the mesh, for the DNS server beside a proxy.

use serde::Serialize;

/// Host names under which a proxy dials services by virtual IP: one message, called `names`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Names {
    /// Host names, sorted.
    #[prost(message, repeated, tag = "1")]
    pub names: Vec<HostName>,
}

/// Host name and its addresses.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostName {
    /// Name in lower case, without a dot at its end, e.g. `redis.svc.mesh.local`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// IP addresses, sorted.
    #[prost(string, repeated, tag = "2")]
    pub addresses: Vec<String>,
}

impl Names {
    /// Name of the only message of this type.
    pub const ONLY: &'static str = "names";
}
