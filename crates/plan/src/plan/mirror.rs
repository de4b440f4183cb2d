//! Where a second copy of what clients send goes.

use model::Tags;
use model::policy::Percent;

/// A mirror of the connections of a listener: what clients send is copied to it, and what it answers is thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// The backendRef in words.
    pub reference: String,
    /// Where copies go: a cluster, and the tags of its endpoints beyond those that all of it have; or why nowhere, in words.
    pub to: Result<(String, Tags), String>,
    /// Of which share of connections.
    pub percent: Percent,
    /// How many bytes may wait for it, before it is dropped.
    pub buffer: u32,
}

impl Mirror {
    /// The cluster that copies go to.
    pub fn cluster(&self) -> Option<&str> {
        self.to.as_ref().ok().map(|(cluster, _)| cluster.as_str())
    }
}
