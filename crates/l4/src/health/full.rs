//! The limits of a cluster that a connection may meet.

/// Which bound of a cluster is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It has as many connections as it may have.
    Connections,
    /// As many connections as may are on the way to being established.
    Pending,
}

impl Full {
    /// Says so, for the log.
    pub fn in_words(self, cluster: &str) -> String {
        match self {
            Self::Connections => format!("cluster {cluster} has as many connections as it may have"),
            Self::Pending => format!("as many connections to cluster {cluster} as may are being established"),
        }
    }
}
