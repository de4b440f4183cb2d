//! Splits: the backends that connections are split between, and the fate of each share.

use std::fmt;

use model::Tags;
use serde::Serialize;

use super::{NoServerName, OnUnavailable, PolicyOrigin, Sourced};

/// One backend of a split. Two backends may share a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// backendRef in words.
    pub reference: String,
    /// Weight, as given or 1, or as a rollout in force sets it; truncated to 32 bits where the profile does (spec
    /// 04 §7.2).
    pub weight: u32,
    /// Fate of its share.
    pub fate: BackendFate,
    /// Policy that named it; absent for the default backend.
    pub origin: Option<PolicyOrigin>,
    /// Rollout whose state is its weight; absent: the weight is that of the policy that named it.
    pub weighed_by: Option<PolicyOrigin>,
    /// Treatment of its share while it cannot be used; absent: as in the reference.
    pub when_unavailable: Option<Sourced<OnUnavailable>>,
}

impl Backend {
    /// Returns `true` if its share goes to the other backends while none of its endpoints is usable, instead of
    /// being refused.
    pub fn spills_when_down(&self) -> bool {
        self.when_unavailable.as_ref().is_some_and(|said| said.value == OnUnavailable::Spill)
    }

    /// Cluster that its share goes to; `None`: it goes to none.
    pub fn cluster(&self) -> Option<&str> {
        match &self.fate {
            BackendFate::Routed { cluster, subset: _ } => Some(cluster),
            BackendFate::Spilled(_) | BackendFate::Refused(_) => None,
        }
    }
}

/// Fate of the share of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BackendFate {
    /// Routed to a cluster, which may have no endpoints (then it is refused there).
    Routed {
        /// Key in [`Plan::clusters`](super::Plan::clusters).
        cluster: String,
        /// Tags that its endpoints must have to be chosen, beyond those that all of the cluster have.
        subset: Tags,
    },
    /// Spilled to the other backends.
    Spilled(Unusable),
    /// Refused.
    Refused(Unusable),
}

/// Reason why a backend cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Unusable {
    /// Its weight is 0: it never gets a connection.
    ZeroWeight,
    /// No resource with that name, or with those labels, exists where the reference looks.
    NotFound {
        /// Place where it was looked for, and similar names, in words.
        looked_for: String,
    },
    /// The resource exists, the port does not.
    NoSuchPort {
        /// Port that was asked for, and the ports that exist, in words.
        looked_for: String,
    },
    /// TCP is not routed to its protocol (spec 04 §7.1).
    Protocol {
        /// Protocol of the destination.
        protocol: String,
    },
    /// Another backend of the split speaks a protocol that TCP is not routed to (2.8 and before, spec 06 no. 43).
    Emptied {
        /// backendRef of that backend, in words.
        by: String,
    },
    /// The destination exists, but has no endpoints now.
    NoEndpoints,
    /// The destination is outside the mesh, and its TLS secrets cannot be loaded.
    Unloaded {
        /// Reason, in words.
        why: String,
    },
    /// The destination is reached by mesh TLS, and has no server name.
    NoServerName(NoServerName),
    /// The destination needs mTLS or a zone egress that the mesh does not have.
    NeedsMesh {
        /// Missing part, in words.
        missing: String,
    },
}

/// Returns the share of each backend of a split, as a fraction of all connections, in the order of the split. The
/// share of a spilled or zero-weight backend is 0; a refused one has the share of its weight. All zero if no weight
/// is left.
pub fn shares(split: &[Backend]) -> Vec<f64> {
    let weight = |backend: &Backend| match backend.fate {
        BackendFate::Routed { .. } | BackendFate::Refused(_) => u64::from(backend.weight),
        BackendFate::Spilled(_) => 0,
    };
    let sum: u64 = split.iter().map(weight).sum();
    split.iter().map(|backend| if sum == 0 { 0.0 } else { weight(backend) as f64 / sum as f64 }).collect()
}

impl fmt::Display for Unusable {
    /// Writes the reason as the end of a sentence that begins with the backendRef.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::ZeroWeight => f.write_str("its weight is 0"),
            Unusable::NotFound { looked_for } => write!(f, "not found: {looked_for}"),
            Unusable::NoSuchPort { looked_for } => write!(f, "no such port: {looked_for}"),
            Unusable::Protocol { protocol } => write!(f, "TCP is not routed to the protocol {protocol}"),
            Unusable::Emptied { by } => write!(f, "the whole split is dropped because of {by}"),
            Unusable::NoEndpoints => f.write_str("nobody offers it now"),
            Unusable::Unloaded { why } => write!(f, "its TLS secrets cannot be loaded: {why}"),
            Unusable::NoServerName(why) => write!(f, "{why}"),
            Unusable::NeedsMesh { missing } => f.write_str(missing),
        }
    }
}
