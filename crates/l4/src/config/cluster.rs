//! The destination behind a backend: its endpoints, and how they are chosen, watched, limited and dialled.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{DEFAULT_CONNECT_TIMEOUT, DialTls};
use crate::balance::Policy;
use crate::proxy_protocol::Version;

/// Below this share of usable endpoints, in percent, health is not believed, unless the cluster says otherwise.
pub const DEFAULT_PANIC_THRESHOLD: u8 = 50;

/// Endpoints that offer the same destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Unique in its proxy.
    pub name: Arc<str>,
    /// How long establishing a connection to one endpoint may take.
    pub connect_timeout: Duration,
    /// Why this proxy cannot dial the endpoints, in words; `None`: it can.
    pub undialable: Option<Arc<str>>,
    /// The endpoints, those of the lowest priority first.
    pub endpoints: Vec<Endpoint>,
    /// Runs of `endpoints` with equal priority, lowest first.
    pub tiers: Vec<Tier>,
    /// How one of the endpoints of a priority is chosen.
    pub policy: Policy,
    /// How long the share of an endpoint that is new, or well again, grows up to its weight; `None`: it has it at once.
    pub slow_start: Option<Duration>,
    /// How many connections to its endpoints may live at once; `None`: no limit.
    pub max_connections: Option<NonZeroU32>,
    /// How many connections to its endpoints may be on the way to being established; `None`: no limit.
    pub max_pending: Option<NonZeroU32>,
    /// How its endpoints are checked; `None`: they are not, and count as well.
    pub health_check: Option<HealthCheck>,
    /// When an endpoint that fails connections is left out for a while; `None`: never.
    pub outlier: Option<OutlierDetection>,
    /// A priority is left for the next one when fewer of its endpoints are usable, in percent; 0: when none is.
    pub failover_threshold: u8,
    /// Below this share of usable endpoints, in percent, health is not believed and all are used; 0: it always is.
    pub panic_threshold: u8,
    /// Refuses connections below the panic threshold instead.
    pub fail_on_panic: bool,
    /// The PROXY protocol header that every connection begins with; `None`: none.
    pub proxy_protocol: Option<Version>,
    /// TCP keepalive on connections to the endpoints; `None`: off.
    pub keepalive: Option<Keepalive>,
    /// How long sent bytes may stay unacknowledged (`TCP_USER_TIMEOUT`); `None`: as the kernel has it.
    pub user_timeout: Option<Duration>,
    /// TLS that connections to the endpoints begin with; `None`: none.
    pub tls: Option<DialTls>,
    /// The address that is dialled from, so that the kernel does not redirect it again; `None`: as the kernel has it.
    pub source: Option<IpAddr>,
}

impl Cluster {
    /// A cluster with these endpoints, and everything else as it is when nobody says anything.
    pub fn new(name: impl Into<Arc<str>>, mut endpoints: Vec<Endpoint>) -> Self {
        endpoints.sort_by_key(|endpoint| endpoint.priority);
        Self {
            name: name.into(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            undialable: None,
            tiers: tiers(&endpoints),
            endpoints,
            policy: Policy::default(),
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

/// TCP keepalive. What is `None` is as the kernel has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// How long nothing arrives until the first probe.
    pub idle: Option<Duration>,
    /// The time between probes.
    pub interval: Option<Duration>,
    /// How many unanswered probes break the connection.
    pub probes: Option<NonZeroU32>,
}

/// The indices of the endpoints of one priority in [`Cluster::endpoints`].
pub type Tier = Range<usize>;

/// How endpoints are checked: with connections that the proxy opens itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The time between two checks of one endpoint.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// An endpoint is down after so many failed checks in a row.
    pub unhealthy_threshold: NonZeroU32,
    /// An endpoint is up again after so many good checks in a row.
    pub healthy_threshold: NonZeroU32,
    /// The first check happens at a random time within this.
    pub initial_jitter: Duration,
    /// A random time of up to this is added to each interval.
    pub interval_jitter: Duration,
    /// What is sent once connected; empty: nothing, connecting is the check.
    pub send: Arc<[u8]>,
    /// What must come back: each of these in this order, with anything between them; none: nothing is read.
    pub receive: Vec<Arc<[u8]>>,
}

/// When an endpoint that fails connections of clients is left out for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// How often good conduct is rewarded: each such time without an ejection makes the next one shorter by `base`.
    pub interval: Duration,
    /// How long an endpoint is left out, times the number of times that it was lately.
    pub base: Duration,
    /// How many endpoints of the cluster may be left out at once, in percent. One always may, the last one never.
    pub max_percent: u8,
    /// After so many failures in a row (connects that failed, or resets before the first byte); `None`: failures in a
    /// row do not count.
    pub consecutive: Option<NonZeroU32>,
}

/// One address that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Its share among the endpoints of the same priority.
    pub weight: NonZeroU32,
    /// Lower is tried first.
    pub priority: u32,
    /// The zone; empty when not known.
    pub zone: Arc<str>,
}

impl Endpoint {
    /// Wherever a redirected connection was meant to go.
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

/// The host of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name to resolve, in lower case.
    Name(Arc<str>),
    /// Wherever a redirected connection was meant to go, port included.
    Original,
}
