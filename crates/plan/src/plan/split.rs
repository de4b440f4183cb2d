//! The sides of a split: what each share of connections does.

use std::fmt;

use model::Tags;
use serde::Serialize;

use super::{NoServerName, OnUnavailable, PolicyOrigin, Sourced};

/// One side of a split. Two backends may share a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// The backendRef in words.
    pub reference: String,
    /// Its share, as given or 1, or what a rollout in force makes of it; truncated to 32 bits where the profile does (spec 04 §7.2).
    pub weight: u32,
    /// What its share does.
    pub fate: Fate,
    /// The policy that named it; absent for the default backend.
    pub origin: Option<PolicyOrigin>,
    /// The rollout whose state is its weight; absent: the weight is that of the policy that named it.
    pub weighed_by: Option<PolicyOrigin>,
    /// What its share does while it cannot be used; absent: as the reference has it.
    pub when_unavailable: Option<Sourced<OnUnavailable>>,
}

impl Backend {
    /// Whether its share goes to the other backends while none of its endpoints is usable, instead of being refused.
    pub fn spills_when_down(&self) -> bool {
        self.when_unavailable.as_ref().is_some_and(|said| said.value == OnUnavailable::Spill)
    }

    /// The cluster that its share goes to.
    pub fn cluster(&self) -> Option<&str> {
        match &self.fate {
            Fate::Routed { cluster, subset: _ } => Some(cluster),
            Fate::Spilled(_) | Fate::Refused(_) => None,
        }
    }
}

/// What the share of a backend does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It goes to a cluster, which may have no endpoints (then it is refused there).
    Routed {
        /// The key in [`Plan::clusters`](super::Plan::clusters).
        cluster: String,
        /// The tags that its endpoints must have to be chosen, beyond those that all of the cluster have.
        subset: Tags,
    },
    /// It goes to the other backends.
    Spilled(Unusable),
    /// It is refused.
    Refused(Unusable),
}

/// Why a backend cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Unusable {
    /// Its weight is 0: it never gets a connection.
    ZeroWeight,
    /// No resource with that name, or with those labels, exists where the reference looks.
    NotFound {
        /// Where it looked, and what is near, in words.
        looked_for: String,
    },
    /// The resource exists, the port does not.
    NoSuchPort {
        /// What was asked for, and which ports there are.
        looked_for: String,
    },
    /// TCP is not routed to that protocol (spec 04 §7.1).
    Protocol {
        /// The protocol.
        protocol: String,
    },
    /// Another backend of the split speaks a protocol that TCP is not routed to (2.8 and before, spec 06 no. 43).
    Emptied {
        /// That backend.
        by: String,
    },
    /// The destination exists, and nobody offers it now.
    NoEndpoints,
    /// It is outside the mesh, and its TLS secrets cannot be loaded.
    Unloaded {
        /// Why.
        why: String,
    },
    /// It is reached by mesh TLS, and no server name says which destination is meant.
    NoServerName(NoServerName),
    /// The destination needs mTLS or a zone egress that the mesh does not have.
    NeedsMesh {
        /// What is missing.
        missing: String,
    },
}

/// The share of each backend of a split, as a fraction of all connections, in the order of the split. A share of a
/// spilled or zero-weight backend is 0; what is refused counts with its weight. All zero when nothing is left.
pub fn shares(split: &[Backend]) -> Vec<f64> {
    let weight = |backend: &Backend| match backend.fate {
        Fate::Routed { .. } | Fate::Refused(_) => u64::from(backend.weight),
        Fate::Spilled(_) => 0,
    };
    let sum: u64 = split.iter().map(weight).sum();
    split.iter().map(|backend| if sum == 0 { 0.0 } else { weight(backend) as f64 / sum as f64 }).collect()
}

impl fmt::Display for Unusable {
    /// Why, as the end of a sentence that begins with the backendRef.
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
