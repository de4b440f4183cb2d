//! MeshTrafficPermission: who may connect (spec 07 §11.4, §11.5).

use std::fmt;

use serde::Serialize;

use super::merge::{replaced, said};

said! {
    /// What a MeshTrafficPermission says: an item of `from` its action, an item of `rules` its lists.
    PermissionConf {
        /// What is done with those whom the item is about.
        action: PermissionAction,
        /// Who may not connect.
        deny: Vec<PeerMatch>,
        /// Who may.
        allow: Vec<PeerMatch>,
        /// Who may, and is counted as if they might not.
        allow_with_shadow_deny: Vec<PeerMatch>,
    }
}

/// What is done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PermissionAction {
    /// It is let in.
    Allow,
    /// It is closed.
    Deny,
    /// It is let in, and counted as if it were not.
    AllowWithShadowDeny,
}

replaced!(PermissionAction);

/// Who is meant in a list of a rule: all that is said must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerMatch {
    /// The SPIFFE ID in the peer's certificate; absent: any.
    pub spiffe_id: Option<SpiffeIdMatch>,
    /// The server name that the peer asked for, exactly; absent: any.
    pub server_name: Option<String>,
}

/// Which SPIFFE IDs are meant. Of two that take the same one, the one that takes less is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "type", content = "value")]
pub enum SpiffeIdMatch {
    /// Those that begin so.
    Prefix(String),
    /// This one.
    Exact(String),
}

impl SpiffeIdMatch {
    /// Whether an identity is one of them.
    pub fn matches(&self, id: &str) -> bool {
        match self {
            Self::Prefix(start) => id.starts_with(start),
            Self::Exact(exact) => id == exact,
        }
    }
}

impl fmt::Display for SpiffeIdMatch {
    /// `spiffe://default/web`, `spiffe://default/…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(start) => write!(f, "{start}…"),
            Self::Exact(exact) => f.write_str(exact),
        }
    }
}

impl PermissionAction {
    /// Every action.
    pub const ALL: [PermissionAction; 3] =
        [PermissionAction::Allow, PermissionAction::Deny, PermissionAction::AllowWithShadowDeny];

    /// The action as a policy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            PermissionAction::Allow => "Allow",
            PermissionAction::Deny => "Deny",
            PermissionAction::AllowWithShadowDeny => "AllowWithShadowDeny",
        }
    }

    /// Whether the connection is let in.
    pub const fn allows(self) -> bool {
        matches!(self, PermissionAction::Allow | PermissionAction::AllowWithShadowDeny)
    }

    /// Whether it is let in and counted as if it were not.
    pub const fn is_shadow(self) -> bool {
        matches!(self, PermissionAction::AllowWithShadowDeny)
    }
}
