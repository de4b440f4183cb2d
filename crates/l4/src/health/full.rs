//! Limits of a cluster that a connection may meet.

/// Limit of a cluster that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReachedLimit {
    /// Limit on live connections.
    Connections,
    /// Limit on pending connections.
    Pending,
}

impl ReachedLimit {
    /// Description for the log.
    pub fn in_words(self, cluster: &str) -> String {
        match self {
            Self::Connections => format!("cluster {cluster} has as many connections as it may have"),
            Self::Pending => format!("as many connections to cluster {cluster} as may are being established"),
        }
    }
}
