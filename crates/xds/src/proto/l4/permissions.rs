//! Permissions of peers to connect over mesh TLS.

use serde::Serialize;

use super::{Origin, name_of};

/// Permissions of peers over mesh TLS: the first rule that matches decides; a peer that none matches is denied.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// Rules, in the order of evaluation.
    #[prost(message, repeated, tag = "1")]
    pub rules: Vec<PermissionRule>,
    /// Peers that are counted as if they were denied, whatever the rules say.
    #[prost(message, repeated, tag = "2")]
    pub shadow_denied: Vec<Peer>,
}

/// Decision about some peers.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionRule {
    /// Peers that the rule matches: any of these.
    #[prost(message, repeated, tag = "1")]
    pub peers: Vec<Peer>,
    /// `true`: the peers may connect; `false`: they are denied.
    #[prost(bool, tag = "2")]
    pub allows: bool,
    /// Policy that the rule comes from.
    #[prost(message, optional, tag = "3")]
    pub origin: Option<Origin>,
}

/// Peers, selected by conditions.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Conditions, all of which must hold; none: every peer.
    #[prost(message, repeated, tag = "1")]
    pub conditions: Vec<PeerCondition>,
}

/// One condition of a peer.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerCondition {
    /// Fact that is compared.
    #[prost(enumeration = "PeerFact", tag = "1")]
    #[serde(serialize_with = "name_of::<_, PeerFact>")]
    pub fact: i32,
    /// Value that it is compared with.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Fact about a peer, and its comparison with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum PeerFact {
    /// The value equals one of the URI SANs of its certificate.
    HasName = 0,
    /// The value equals none of the URI SANs of its certificate.
    LacksName = 1,
    /// The value equals its URI SANs, joined by commas.
    IdentityIs = 2,
    /// The value is a prefix of its URI SANs, joined by commas.
    IdentityBegins = 3,
    /// The value equals the server name that it asked for, ignoring case.
    ServerNameIs = 4,
}
