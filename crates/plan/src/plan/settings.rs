//! How the connections of a listener are treated.

use std::time::Duration;

use model::declared::{Existing, ProxyProtocol, Sticky};
use model::policy::{HealthCheck, LoadBalancer, Locality, OutlierDetection, Percent};

use super::PolicyOrigin;

/// How the connections of a listener are treated; each value with the policy that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionSettings {
    /// Closes a connection on which nothing moved for so long.
    pub idle_timeout: Option<Sourced<Duration>>,
    /// How many endpoints to try.
    pub max_connect_attempts: Option<Sourced<u32>>,
    /// How many connections may live at once.
    pub max_connections: Option<Sourced<u32>>,
    /// Closes a connection this long after it was accepted; zero: never.
    pub max_age: Option<Sourced<Duration>>,
    /// Whether connections begin with a PROXY protocol header.
    pub accept_proxy_protocol: Option<Sourced<bool>>,
    /// Where lines about finished connections go.
    pub access_logs: Vec<Sourced<AccessLog>>,
}

/// What a route declares about its split, by labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SplitSettings {
    /// Whether a client keeps its backend.
    pub sticky: Option<Sourced<Sticky>>,
    /// What a change of the weights does to connections that live.
    pub existing: Option<Sourced<Existing>>,
    /// Whether a connect that failed may be tried at another backend.
    pub retry_other_side: Option<Sourced<bool>>,
    /// How long connections of a backend that was removed may go on; zero: as they like.
    pub drain_grace: Option<Sourced<Duration>>,
}

/// How the endpoints of a destination are chosen, watched, limited and dialled; each value with who set it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClusterSettings {
    /// By which rule an endpoint is chosen; absent: in turn.
    pub load_balancer: Option<Sourced<LoadBalancer>>,
    /// How long the share of a new endpoint grows; zero: not at all.
    pub slow_start: Option<Sourced<Duration>>,
    /// Which endpoints are preferred for where they are; the endpoints' priorities and weights say so already.
    pub locality: Option<Sourced<Locality>>,
    /// How many connections may live at once.
    pub max_connections: Option<Sourced<u32>>,
    /// How many connections may be on the way to being established at once.
    pub max_pending_connections: Option<Sourced<u32>>,
    /// How endpoints are checked.
    pub health_check: Option<Sourced<HealthCheck>>,
    /// When an endpoint that fails is left out.
    pub outlier_detection: Option<Sourced<OutlierDetection>>,
    /// What happens when too few endpoints are healthy.
    pub panic: Panic,
    /// The header that tells an endpoint who the client is.
    pub proxy_protocol: Option<Sourced<ProxyProtocol>>,
    /// After so long without traffic the first TCP keepalive probe is sent; zero: never.
    pub keepalive: Option<Sourced<Duration>>,
    /// How long sent bytes may stay unacknowledged; zero: as the kernel has it.
    pub user_timeout: Option<Sourced<Duration>>,
}

/// What happens when too few endpoints of a destination are healthy to believe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Panic {
    /// Below this share of healthy endpoints all of them count as healthy; absent: the data plane's 50 %.
    pub threshold: Option<Sourced<Percent>>,
    /// Whether connections are refused instead.
    pub refuses: Option<Sourced<bool>>,
}

impl ClusterSettings {
    /// Whether an endpoint is chosen by the client's address.
    pub fn hashes_clients(&self) -> bool {
        self.load_balancer.as_ref().is_some_and(|balancer| match balancer.value {
            LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. } => true,
            LoadBalancer::RoundRobin | LoadBalancer::LeastRequest { .. } | LoadBalancer::Random => false,
        })
    }

    /// How long the share of a new endpoint grows, where the load balancer goes by shares at all: those by hash and at
    /// random do not; absent: not at all.
    pub fn growth(&self) -> Option<Duration> {
        let can = match self.load_balancer.as_ref().map(|said| said.value) {
            None | Some(LoadBalancer::RoundRobin | LoadBalancer::LeastRequest { .. }) => true,
            Some(LoadBalancer::Random | LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. }) => false,
        };
        self.slow_start.as_ref().map(|said| said.value).filter(|growth| can && !growth.is_zero())
    }

    /// Below which share of healthy endpoints a priority is left for the next one; absent: the data plane's rule.
    pub fn failover_threshold(&self) -> Option<Percent> {
        match self.locality.as_ref()?.value {
            Locality::Rules { affinity: _, failover: _, threshold } => threshold,
            Locality::Ignored | Locality::OwnZoneFirst => None,
        }
    }
}

/// A value and the policy that it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// The policy.
    pub origin: PolicyOrigin,
}

/// Where lines about finished connections go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessLog {
    /// A file, or a TCP address.
    pub backend: LogBackend,
    /// How a line looks; absent: the default line.
    pub format: Option<LogFormat>,
}

/// A file, or a TCP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogBackend {
    /// A path.
    File(String),
    /// `host:port`.
    Tcp(String),
}

/// How an access log line looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// A format string.
    Plain(String),
    /// Keys and format strings, in the order of the policy.
    Json(Vec<(String, String)>),
}
