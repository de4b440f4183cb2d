//! How to start a proxy.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::log::ConnectionLog;

/// How to start a proxy. The defaults are those for production, without a connection log.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many workers, one event loop each; default: one for each processor.
    pub threads: Option<NonZeroUsize>,
    /// How many connections may live at once; default: what the limit of open files has room for (it is raised to
    /// the hard limit at the start).
    pub max_connections: Option<NonZeroUsize>,
    /// Where the connection log goes; default: nowhere.
    pub connection_log: Option<ConnectionLog>,
    /// How long a client may take to send its TLS client hello; default: 10 seconds.
    pub hello_timeout: Duration,
    /// What the phases of all splits and turns are derived from; default: random. Set it for repeatable runs.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: None,
            max_connections: None,
            connection_log: None,
            hello_timeout: Duration::from_secs(10),
            seed: None,
        }
    }
}
