//! Where a second copy of what clients send goes.

use serde::Serialize;

use super::Origin;

/// A mirror of the connections of a listener: what clients send is copied to it, and what it answers is thrown away.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// The backendRef in words.
    #[prost(string, tag = "1")]
    pub reference: String,
    /// The name of the `Cluster`; empty: nothing is copied, for the reason in `unavailable`.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Why nothing is copied, in words; empty when it has a cluster.
    #[prost(string, tag = "3")]
    pub unavailable: String,
    /// Of how many of 10,000 connections.
    #[prost(uint32, tag = "4")]
    pub of_10_000: u32,
    /// How many bytes may wait for it, before it is dropped.
    #[prost(uint32, tag = "5")]
    pub buffer: u32,
    /// The policy that asked for it.
    #[prost(message, optional, tag = "6")]
    pub origin: Option<Origin>,
}
