//! Mirror: a second copy of the bytes that clients send.

use serde::Serialize;

use super::Origin;

/// Mirror of the connections of a listener: the bytes of clients are copied to it, and its answers are discarded.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// backendRef in words.
    #[prost(string, tag = "1")]
    pub reference: String,
    /// Name of the `Cluster`; empty: nothing is copied, for the reason in `unavailable`.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Reason, in words, why nothing is copied; empty if it has a cluster.
    #[prost(string, tag = "3")]
    pub unavailable: String,
    /// Number of mirrored connections per 10,000.
    #[prost(uint32, tag = "4")]
    pub of_10_000: u32,
    /// Limit on bytes that wait for the mirror, before it is dropped.
    #[prost(uint32, tag = "5")]
    pub buffer: u32,
    /// Policy that configured it.
    #[prost(message, optional, tag = "6")]
    pub origin: Option<Origin>,
}
