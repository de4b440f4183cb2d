//! Who may connect over mesh TLS.

use serde::Serialize;

use super::{Origin, name_of};

/// Who may connect over mesh TLS: the first rule that fits decides, and whom none fits may not.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// The rules, in the order in which they are asked.
    #[prost(message, repeated, tag = "1")]
    pub rules: Vec<PermissionRule>,
    /// Who is counted as if they might not connect, whatever the rules say.
    #[prost(message, repeated, tag = "2")]
    pub shadow_denied: Vec<Peer>,
}

/// What is done with some peers.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionRule {
    /// Whom it fits: any of these.
    #[prost(message, repeated, tag = "1")]
    pub peers: Vec<Peer>,
    /// Whether they may connect.
    #[prost(bool, tag = "2")]
    pub allows: bool,
    /// The policy that says so.
    #[prost(message, optional, tag = "3")]
    pub origin: Option<Origin>,
}

/// Peers by what is known of them.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// All of them must hold; none: everybody.
    #[prost(message, repeated, tag = "1")]
    pub conditions: Vec<PeerCondition>,
}

/// One thing that must be so.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerCondition {
    /// What is compared.
    #[prost(enumeration = "PeerFact", tag = "1")]
    #[serde(serialize_with = "name_of::<_, PeerFact>")]
    pub fact: i32,
    /// With what.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// What is known of a peer, and how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum PeerFact {
    /// One of the URI SANs of its certificate is the value.
    HasName = 0,
    /// None of them is.
    LacksName = 1,
    /// Its URI SANs, joined by commas, are the value.
    IdentityIs = 2,
    /// Its URI SANs, joined by commas, begin with the value.
    IdentityBegins = 3,
    /// The server name that it asked for is the value, whatever the case.
    ServerNameIs = 4,
}
