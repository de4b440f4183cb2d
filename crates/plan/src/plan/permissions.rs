//! Permissions to connect to an inbound, and the policies that grant them.

use model::policy::{PeerMatch, PermissionAction};

use super::PolicyOrigin;

/// Permissions to connect over mesh TLS (spec 07 §11). A connection that is not allowed is closed after its
/// handshake.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Permissions {
    /// By the names in the client's certificate: any client that fits a rule that allows, in any order. Without
    /// rules: no client.
    ByName {
        /// Name of all of them together in statistics.
        called: String,
        /// Rules; those that deny only give the reason of a refusal.
        rules: Vec<NameRule>,
    },
    /// By SPIFFE ID and server name: the first list that fits decides. A client that fits none may not connect.
    ByIdentity {
        /// Lists, in the order in which they are evaluated.
        lists: Vec<PeerList>,
        /// Lists of clients that are allowed and counted as denied. Where there is one, clients that are in none
        /// are counted so too, as in the reference.
        shadow: Vec<PeerList>,
    },
}

/// Rule about clients whose certificates have some names, and lack others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameRule {
    /// Conditions, all of which must hold; none: every client.
    pub conditions: Vec<NameCondition>,
    /// Action of the rule.
    pub action: PermissionAction,
    /// Policy that the rule comes from; the most important of several.
    pub origin: PolicyOrigin,
}

/// Name that a certificate must have, or must not have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameCondition {
    /// URI SAN.
    pub uri: String,
    /// `true`: the certificate must not have it.
    pub not: bool,
}

/// One list of a rule: clients that may, or may not, connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerList {
    /// Matches, any of which suffices.
    pub peers: Vec<PeerMatch>,
    /// `true`: they may connect.
    pub allows: bool,
    /// Policy that the list comes from.
    pub origin: PolicyOrigin,
}

impl Permissions {
    /// No client may connect: no policy allows any.
    pub fn nobody() -> Self {
        Permissions::ByName { called: String::new(), rules: Vec::new() }
    }

    /// Returns `true` if no client may connect.
    pub fn allow_nobody(&self) -> bool {
        match self {
            Permissions::ByName { called: _, rules } => rules.iter().all(|rule| !rule.action.allows()),
            Permissions::ByIdentity { lists, shadow: _ } => lists.iter().all(|list| !list.allows),
        }
    }

    /// Returns `true` if they depend on the server name of a connection.
    pub fn need_server_name(&self) -> bool {
        match self {
            Permissions::ByName { .. } => false,
            Permissions::ByIdentity { lists, shadow } => {
                let peers = lists.iter().chain(shadow).flat_map(|list| &list.peers);
                peers.into_iter().any(|peer| peer.server_name.is_some())
            }
        }
    }
}
