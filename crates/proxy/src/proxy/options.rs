//! Options of a proxy.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use l4::config::Keepalive;

use crate::host_authorities::HostAuthorities;
use crate::log::{ConnectionLines, ConnectionLog};

/// Options of a proxy. The defaults are those for production, without a connection log.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of workers, one event loop each; default: one per processor.
    pub threads: Option<NonZeroUsize>,
    /// `true`: each worker is pinned to a CPU, and accepts the connections of clients on that CPU, unless it has far more
    /// than the others. See [`Proxy::pinning`](super::Proxy::pinning) for whether the host permits it. Default: `false`.
    pub pin_workers: bool,
    /// Limit on live connections; default: what the limit of open files has room for (it is raised to the hard
    /// limit at the start).
    pub max_connections: Option<NonZeroUsize>,
    /// Connection log; default: none.
    pub connection_log: Option<ConnectionLog>,
    /// Additional consumer of its lines; default: none.
    pub connection_lines: Option<ConnectionLines>,
    /// Timeout of a client's TLS client hello; default: 10 seconds.
    pub hello_timeout: Duration,
    /// TCP keepalive on connections of clients, which detects vanished ones; `None`: off. Default: after 60 seconds
    /// of silence six probes, one every 10 seconds.
    pub client_keepalive: Option<Keepalive>,
    /// Limit on the time that bytes sent to a client stay unacknowledged, or its window closed
    /// (`TCP_USER_TIMEOUT`); it bounds the probes of [`Options::client_keepalive`] too. Default: `None`, the
    /// kernel's default, about 15 minutes for a client that vanished; one that lives and only does not read is
    /// never cut.
    pub client_user_timeout: Option<Duration>,
    /// Idle timeout of a half-closed connection, of which one end has finished and nothing comes from the other;
    /// `None`: no limit. Default: 15 minutes.
    pub half_closed_timeout: Option<Duration>,
    /// Interval between resolutions of a host name, at least 1 second; default: 5 seconds. It is resolved at once
    /// when connecting to its addresses fails.
    pub name_refresh: Duration,
    /// Authorities that this host trusts, for TLS to services outside the mesh without configured authorities.
    pub host_authorities: HostAuthorities,
    /// Seed of the phases of all splits and turns; default: random. Set it for repeatable runs.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: None,
            pin_workers: false,
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
