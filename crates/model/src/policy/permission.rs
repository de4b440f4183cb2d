//! MeshTrafficPermission: permissions to connect (spec 07 §11.4, §11.5).

use std::fmt;

use serde::Serialize;

use super::merge::{replaced, said};

said! {
    /// Conf of a MeshTrafficPermission: an action in an item of `from`, lists in an item of `rules`.
    PermissionConf {
        /// Action for the clients that the item is about.
        action: PermissionAction,
        /// Clients that may not connect.
        deny: Vec<PeerMatch>,
        /// Clients that may connect.
        allow: Vec<PeerMatch>,
        /// Clients that may connect, and are counted as denied.
        allow_with_shadow_deny: Vec<PeerMatch>,
    }
}

/// Action for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PermissionAction {
    /// The connection is accepted.
    Allow,
    /// The connection is closed.
    Deny,
    /// The connection is accepted, and counted as denied.
    AllowWithShadowDeny,
}

replaced!(PermissionAction);

/// Match of clients in a list of a rule: all of its conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerMatch {
    /// SPIFFE ID in the peer's certificate; absent: any.
    pub spiffe_id: Option<SpiffeIdMatch>,
    /// Server name that the peer asked for, exactly; absent: any.
    pub server_name: Option<String>,
}

/// Match of SPIFFE IDs. Of two that match the same one, the one that matches fewer is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "type", content = "value")]
pub enum SpiffeIdMatch {
    /// SPIFFE IDs with this prefix.
    Prefix(String),
    /// This SPIFFE ID.
    Exact(String),
}

impl SpiffeIdMatch {
    /// Returns `true` if it matches an identity.
    pub fn matches(&self, id: &str) -> bool {
        match self {
            Self::Prefix(start) => id.starts_with(start),
            Self::Exact(exact) => id == exact,
        }
    }
}

impl fmt::Display for SpiffeIdMatch {
    /// Writes `spiffe://default/web`, `spiffe://default/…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(start) => write!(f, "{start}…"),
            Self::Exact(exact) => f.write_str(exact),
        }
    }
}

crate::words! {
    /// Name of the action in a policy.
    PermissionAction { Allow: "Allow", Deny: "Deny", AllowWithShadowDeny: "AllowWithShadowDeny" }
}

impl PermissionAction {
    /// Returns `true` if the connection is accepted.
    pub const fn allows(self) -> bool {
        matches!(self, PermissionAction::Allow | PermissionAction::AllowWithShadowDeny)
    }

    /// Returns `true` if the connection is accepted and counted as denied.
    pub const fn is_shadow(self) -> bool {
        matches!(self, PermissionAction::AllowWithShadowDeny)
    }
}
