//! How to start a proxy.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use l4::config::Keepalive;

use crate::host_authorities::HostAuthorities;
use crate::log::{ConnectionLines, ConnectionLog};

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
    /// Who else takes its lines; default: nobody.
    pub connection_lines: Option<ConnectionLines>,
    /// How long a client may take to send its TLS client hello; default: 10 seconds.
    pub hello_timeout: Duration,
    /// TCP keepalive on connections of clients, by which those that vanished without a word are noticed; `None`: off. Default:
    /// after 60 seconds of silence six probes, one every 10 seconds.
    pub client_keepalive: Option<Keepalive>,
    /// How long bytes sent to a client may stay unacknowledged, or its window closed (`TCP_USER_TIMEOUT`); it bounds the probes
    /// of [`Options::client_keepalive`], too. Default: `None`, as the kernel has it, about 15 minutes for a client that
    /// vanished; one that lives and only does not read is never cut.
    pub client_user_timeout: Option<Duration>,
    /// How long a connection may go on of which one end has finished and nothing comes from the other; `None`: for ever.
    /// Default: 15 minutes.
    pub half_closed_timeout: Option<Duration>,
    /// How long the addresses of a host name are used before it is resolved again, at least 1 second; default: 5 seconds. It is
    /// resolved at once when connecting to them fails.
    pub name_refresh: Duration,
    /// Whom this host believes, for TLS to services outside the mesh of which nobody says who vouches for them.
    pub host_authorities: HostAuthorities,
    /// What the phases of all splits and turns are derived from; default: random. Set it for repeatable runs.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: None,
            max_connections: None,
            connection_log: None,
            connection_lines: None,
            hello_timeout: Duration::from_secs(10),
            client_keepalive: Some(Keepalive {
                idle: Some(Duration::from_secs(60)),
                interval: Some(Duration::from_secs(10)),
                probes: NonZeroU32::new(6),
            }),
            client_user_timeout: None,
            half_closed_timeout: Some(Duration::from_secs(15 * 60)),
            name_refresh: Duration::from_secs(5),
            host_authorities: HostAuthorities::default(),
            seed: None,
        }
    }
}
