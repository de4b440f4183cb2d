//! Mirrors: copies of the bytes that clients send.

use model::Tags;
use model::policy::Percent;

/// Mirror of the connections of a listener: the bytes that clients send are copied to it, and its responses are
/// discarded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// backendRef in words.
    pub reference: String,
    /// Cluster that copies go to, and the tags of its endpoints beyond those that all of the cluster have; or the
    /// reason why there is none, in words.
    pub to: Result<(String, Tags), String>,
    /// Share of connections that are mirrored, in percent.
    pub percent: Percent,
    /// Limit on bytes that wait for the mirror, in bytes; beyond it the mirror of a connection is dropped.
    pub buffer: u32,
}

impl Mirror {
    /// Cluster that copies go to; `None`: the backendRef cannot be used.
    pub fn cluster(&self) -> Option<&str> {
        self.to.as_ref().ok().map(|(cluster, _)| cluster.as_str())
    }
}
