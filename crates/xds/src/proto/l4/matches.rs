//! Conditions under which a rule of a route applies to a connection.

use serde::Serialize;

/// Route for connections that meet all of its conditions.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteMatch {
    /// Name of the `Route`.
    #[prost(string, tag = "1")]
    pub route: String,
    /// TLS server name, as the pattern of a `ServerName`; empty: not a condition, and no hello is awaited.
    #[prost(string, tag = "2")]
    pub server_name: String,
    /// Source network of the connection; absent: any.
    #[prost(message, optional, tag = "3")]
    pub source: Option<Network>,
}

/// IP network: the addresses that share a prefix.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// One address of the network.
    #[prost(string, tag = "1")]
    pub address: String,
    /// Number of leading bits that the addresses share.
    #[prost(uint32, tag = "2")]
    pub prefix_length: u32,
}
