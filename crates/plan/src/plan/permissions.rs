//! Who may connect to an inbound, and who says so.

use model::policy::{PeerMatch, PermissionAction};

use super::PolicyOrigin;

/// Who may connect over mesh TLS (spec 07 §11). A connection that is not allowed is closed after its handshake.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Permissions {
    /// By the names in the certificate of who connects: whoever fits a rule that allows, in whatever order. Without rules:
    /// nobody.
    ByName {
        /// What all of them together are called in statistics.
        called: String,
        /// The rules; those that deny only say why somebody is not allowed.
        rules: Vec<NameRule>,
    },
    /// By SPIFFE ID and server name: the first list that fits decides. Whom none fits may not connect.
    ByIdentity {
        /// The lists, in the order in which they are asked.
        lists: Vec<PeerList>,
        /// The lists of those that are allowed and counted as if they were not. Where there is one, whoever is in none is
        /// counted so too, as in the reference.
        shadow: Vec<PeerList>,
    },
}

/// What is done with those whose certificates have some names, and lack others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameRule {
    /// All of them must hold; none: everybody.
    pub conditions: Vec<NameCondition>,
    /// What is done.
    pub action: PermissionAction,
    /// The policy that says so: of several the most important.
    pub origin: PolicyOrigin,
}

/// A name that a certificate must have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameCondition {
    /// One of its URI SANs.
    pub uri: String,
    /// Whether it must not have it.
    pub not: bool,
}

/// One list of a rule: those who may, or may not, connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerList {
    /// Any of them.
    pub peers: Vec<PeerMatch>,
    /// Whether they may.
    pub allows: bool,
    /// The policy that says so.
    pub origin: PolicyOrigin,
}

impl Permissions {
    /// Nobody may connect, since nobody says that anybody may.
    pub fn nobody() -> Self {
        Permissions::ByName { called: String::new(), rules: Vec::new() }
    }

    /// Whether no certificate is enough.
    pub fn allow_nobody(&self) -> bool {
        match self {
            Permissions::ByName { called: _, rules } => rules.iter().all(|rule| !rule.action.allows()),
            Permissions::ByIdentity { lists, shadow: _ } => lists.iter().all(|list| !list.allows),
        }
    }

    /// Whether they ask for the server name that a connection begins with.
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
