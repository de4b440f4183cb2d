//! Clusters, the destinations behind backends: endpoints, and their balancing, health, limits and connection settings.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{DEFAULT_CONNECT_TIMEOUT, DialTls};
use crate::balance::BalancingPolicy;
use crate::proxy_protocol::HeaderVersion;

/// Default panic threshold: share of usable endpoints, in percent, below which health is ignored.
pub const DEFAULT_PANIC_THRESHOLD: u8 = 50;

/// Endpoints that offer the same destination, with the settings of connections to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Name, unique in its proxy.
    pub name: Arc<str>,
    /// Connect timeout of one endpoint.
    pub connect_timeout: Duration,
    /// Reason why this proxy cannot dial the endpoints, in words; `None`: it can.
    pub undialable: Option<Arc<str>>,
    /// Endpoints, sorted by priority, lowest first.
    pub endpoints: Vec<Endpoint>,
    /// Runs of `endpoints` with equal priority, lowest first.
    pub tiers: Vec<Tier>,
    /// Load-balancing policy within a priority.
    pub policy: BalancingPolicy,
    /// Time over which the share of a new or recovered endpoint grows to its weight; `None`: full share at once.
    pub slow_start: Option<Duration>,
    /// Limit on live connections to its endpoints; `None`: no limit.
    pub max_connections: Option<NonZeroU32>,
    /// Limit on pending connections (connects under way) to its endpoints; `None`: no limit.
    pub max_pending: Option<NonZeroU32>,
    /// Active health check of its endpoints; `None`: no checks, endpoints count as healthy.
    pub health_check: Option<HealthCheck>,
    /// Outlier detection, which ejects endpoints that fail connections; `None`: off.
    pub outlier: Option<OutlierDetection>,
    /// Share of usable endpoints of a priority, in percent, below which the next priority takes over; 0: only when none
    /// is usable.
    pub failover_threshold: u8,
    /// Share of usable endpoints, in percent, below which health is ignored and all endpoints are used; 0: never.
    pub panic_threshold: u8,
    /// `true`: connections are refused below the panic threshold.
    pub fail_on_panic: bool,
    /// PROXY protocol version of the header that every connection begins with; `None`: no header.
    pub proxy_protocol: Option<HeaderVersion>,
    /// TCP keepalive on connections to the endpoints; `None`: off.
    pub keepalive: Option<Keepalive>,
    /// Limit on the time that sent bytes stay unacknowledged (`TCP_USER_TIMEOUT`); `None`: kernel default.
    pub user_timeout: Option<Duration>,
    /// TLS of connections to the endpoints; `None`: plaintext.
    pub tls: Option<DialTls>,
    /// Source address of connections, which exempts them from the kernel's redirection; `None`: chosen by the kernel.
    pub source: Option<IpAddr>,
}

impl Cluster {
    /// Creates a cluster with these endpoints and default settings.
    pub fn new(name: impl Into<Arc<str>>, mut endpoints: Vec<Endpoint>) -> Self {
        endpoints.sort_by_key(|endpoint| endpoint.priority);
        Self {
            name: name.into(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            undialable: None,
            tiers: tiers(&endpoints),
            endpoints,
            policy: BalancingPolicy::default(),
            slow_start: None,
            max_connections: None,
            max_pending: None,
            health_check: None,
            outlier: None,
            failover_threshold: 0,
            panic_threshold: DEFAULT_PANIC_THRESHOLD,
            fail_on_panic: false,
            proxy_protocol: None,
            keepalive: None,
            user_timeout: None,
            tls: None,
            source: None,
        }
    }
}

fn tiers(endpoints: &[Endpoint]) -> Vec<Tier> {
    let mut first = 0;
    let runs = endpoints.chunk_by(|a, b| a.priority == b.priority).map(|run| {
        let tier = first..first + run.len();
        first = tier.end;
        tier
    });
    runs.collect()
}

/// TCP keepalive settings. `None` in a field: kernel default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle time before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Number of unanswered probes after which the connection is broken.
    pub probes: Option<NonZeroU32>,
}

/// Range of the endpoints of one priority in [`Cluster::endpoints`].
pub type Tier = Range<usize>;

/// Active health check: connections that the proxy opens itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Time between two checks of one endpoint.
    pub interval: Duration,
    /// Timeout of one check.
    pub timeout: Duration,
    /// Number of failed checks in a row after which an endpoint is down.
    pub unhealthy_threshold: NonZeroU32,
    /// Number of successful checks in a row after which an endpoint is up again.
    pub healthy_threshold: NonZeroU32,
    /// Upper bound of the random delay before the first check.
    pub initial_jitter: Duration,
    /// Upper bound of the random time added to each interval.
    pub interval_jitter: Duration,
    /// Bytes to send once connected; empty: nothing, the connect is the check.
    pub send: Arc<[u8]>,
    /// Byte strings to expect, in this order, with anything between them; empty: nothing is read.
    pub receive: Vec<Arc<[u8]>>,
}

/// Outlier detection: conditions under which an endpoint that fails client connections is ejected for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Decay interval: each one without an ejection shortens the endpoint's next ejection by `base`.
    pub interval: Duration,
    /// Base ejection time, multiplied by the number of recent ejections of the endpoint.
    pub base: Duration,
    /// Limit on ejected endpoints of the cluster at once, in percent. One may always be ejected, the last one never.
    pub max_percent: u8,
    /// Number of failures in a row (failed connects, or resets before the first byte) that ejects an endpoint; `None`:
    /// failures in a row do not count.
    pub consecutive: Option<NonZeroU32>,
}

/// Endpoint: one address that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host.
    pub host: Host,
    /// Port.
    pub port: u16,
    /// Weight: its share among the endpoints of the same priority.
    pub weight: NonZeroU32,
    /// Priority; lower is tried first.
    pub priority: u32,
    /// Zone; empty: unknown.
    pub zone: Arc<str>,
}

impl Endpoint {
    /// Creates the endpoint that stands for the original destination of a redirected connection.
    pub(super) fn original() -> Self {
        Self { host: Host::Original, port: 0, weight: NonZeroU32::MIN, priority: 0, zone: "".into() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Original => f.write_str("original destination"),
        }
    }
}

/// Host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// IP address.
    Ip(IpAddr),
    /// Host name to resolve, in lower case.
    Name(Arc<str>),
    /// Original destination of a redirected connection, port included.
    Original,
}
