//! Which connections a rule of a route is for.

use serde::Serialize;

/// A route for connections that fit all that is asked.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteMatch {
    /// The name of the `Route`.
    #[prost(string, tag = "1")]
    pub route: String,
    /// The TLS server name, as the pattern of a `ServerName`; empty: it is not asked for, and no hello awaited.
    #[prost(string, tag = "2")]
    pub server_name: String,
    /// Where connections come from; absent: from anywhere.
    #[prost(message, optional, tag = "3")]
    pub source: Option<Network>,
}

/// IP addresses that begin alike.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// One of them.
    #[prost(string, tag = "1")]
    pub address: String,
    /// How many leading bits they share.
    #[prost(uint32, tag = "2")]
    pub prefix_length: u32,
}
