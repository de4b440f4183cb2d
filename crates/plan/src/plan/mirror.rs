//! Where a second copy of what clients send goes.

use model::policy::Percent;

use super::Fate;

/// A mirror of the connections of a listener: what clients send is copied to it, and what it answers is thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// The backendRef in words.
    pub reference: String,
    /// Where copies go; what is not routed is not mirrored.
    pub fate: Fate,
    /// Of which share of connections.
    pub percent: Percent,
    /// How many bytes may wait for it, before it is dropped.
    pub buffer: u32,
}

impl Mirror {
    /// The cluster that copies go to.
    pub fn cluster(&self) -> Option<&str> {
        match &self.fate {
            Fate::Routed { cluster, subset: _ } => Some(cluster),
            Fate::Spilled(_) | Fate::Refused(_) => None,
        }
    }
}
