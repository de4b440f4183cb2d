//! Data path of the connections of a listener, and its reason: one table.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use l4::balance::BalancingPolicy;
use l4::config::{Arrival, Cluster, DataPath, Direction, Existing, Listener, Match, Route, Target};

use crate::tables::STEPS;

/// Data path of the connections of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// They are decided at connect(2), and reach their endpoint without a relay.
    Kernel,
    /// The relay carries them, for this reason.
    Relay(Reason),
}

/// Capabilities besides decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `true`: connections of other processes can be ended, which requires a capability and a kernel built for it.
    pub ends: bool,
}

impl Capabilities {
    /// All capabilities, as on a host that meets the requirements of the guide.
    pub const ALL: Self = Self { ends: true };
}

impl Path {
    /// Path of a listener's connections where programs are attached, as far as its configuration decides.
    pub fn of(listener: &Listener, means: Capabilities) -> Self {
        let settled = route_in_kernel(listener, means).and_then(|route| {
            let clusters = route.backends.iter().filter_map(|backend| match &backend.target {
                Target::Cluster(cluster) => Some(cluster),
                Target::Unavailable(_) => None,
            });
            let mut needing = clusters.filter_map(|cluster| Some((cluster, of_cluster(cluster, listener)?)));
            match needing.next() {
                Some((cluster, why)) => Err(Reason::Cluster(Arc::clone(&cluster.name), why)),
                None => Ok(()),
            }
        });
        match settled {
            Ok(()) => Self::Kernel,
            Err(reason) => Self::Relay(reason),
        }
    }

    /// Reason in words why the relay carries them; `None`: it does not.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::Kernel => None,
            Self::Relay(reason) => Some(reason.to_string()),
        }
    }

    /// Path in a word, as in metrics and in the admin server.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Relay(_) => "relay",
        }
    }
}

/// Reason why the relay carries the connections of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The kernel path was not requested.
    NotAsked,
    /// A label requests the relay.
    Asked,
    /// The programs are not in this kernel, or not attached.
    Unavailable(Arc<str>),
    /// It is no outbound.
    Direction(Direction),
    /// The kernel redirects connections to it, by rules of the host.
    Redirected,
    /// It listens on every address of the host.
    EveryAddress,
    /// The first bytes of a client are read: TLS, or a PROXY protocol header.
    ReadsFirst,
    /// Routes depend on the client, or on the requested server name.
    Routes,
    /// It has an idle timeout, and this kernel does not permit ending connections.
    IdleTimeout,
    /// It has a maximum age of connections, and this kernel does not permit ending connections.
    MaxAge,
    /// Several endpoints are tried for one connection.
    Attempts,
    /// Data from clients is copied to a mirror.
    Mirror,
    /// Another backend is tried for a connection.
    OtherSide,
    /// A client keeps its backend, and clients have several addresses.
    Sticky,
    /// Live connections are moved when weights change, and this kernel does not permit ending connections.
    Existing,
    /// A cluster needs it, for this reason.
    Cluster(Arc<str>, OfCluster),
    /// The route has too many backends.
    Backends,
    /// The tables in the kernel are full.
    Full,
    /// Its address could not be written into the kernel's tables.
    NotWritten(Arc<str>),
}

/// Reason why a cluster needs the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfCluster {
    /// This proxy cannot dial it.
    Undialable,
    /// Connections to its endpoints use TLS.
    Tls,
    /// Connections to it begin with a PROXY protocol header.
    ProxyHeader,
    /// It is dialled from an address of its own.
    Source,
    /// The least busy endpoint is chosen of more than programs compare.
    Choices,
    /// Its endpoints are chosen by the client's address, and clients have several.
    Client,
    /// It has too many endpoints, or addresses of them.
    Endpoints,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotAsked => "--data-path relay",
            Self::Asked => "meshtcp.io/data-path: relay",
            Self::Unavailable(why) | Self::NotWritten(why) => why,
            Self::Direction(Direction::Inbound) => "it is an inbound",
            Self::Direction(Direction::Gateway) => "it is a gateway",
            Self::Direction(Direction::Outbound) => "it is an outbound",
            Self::Redirected => "connections are redirected to it",
            Self::EveryAddress => "it listens on every address of the host",
            Self::ReadsFirst => "what a client sends first is read",
            Self::Routes => "routes differ by who connects, or what is asked for",
            Self::IdleTimeout => "it has an idle timeout, and no connection can be ended in this kernel",
            Self::MaxAge => "its connections have a maximum age, and none can be ended in this kernel",
            Self::Attempts => "several endpoints are tried for one connection",
            Self::Mirror => "what clients send is copied to a mirror",
            Self::OtherSide => "another backend is tried when one cannot be reached",
            Self::Sticky => {
                "clients keep their backend, and are known by their address only once they are connected"
            }
            Self::Existing => {
                "connections that live are moved when weights change, and none can be ended in this kernel"
            }
            Self::Cluster(cluster, why) => return write!(f, "cluster {cluster}: {why}"),
            Self::Backends => "its route has too many backends",
            Self::Full => "the tables in the kernel are full",
        };
        f.write_str(text)
    }
}

impl fmt::Display for OfCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undialable => "this proxy cannot dial it",
            Self::Tls => "TLS is spoken with its endpoints",
            Self::ProxyHeader => "connections to it begin with a PROXY protocol header",
            Self::Source => "it is dialled from an address of its own",
            Self::Choices => "its endpoints are the least busy of more than eight",
            Self::Client => {
                "its endpoints are chosen by the client's address, which is known only once it is connected"
            }
            Self::Endpoints => "it has too many endpoints",
        })
    }
}

/// Route that decides every connection of a listener, if that is possible at connect(2).
///
/// # Errors
/// Reason for which the relay carries them.
pub(crate) fn route_in_kernel(listener: &Listener, means: Capabilities) -> Result<&Arc<Route>, Reason> {
    // destructured, so that a new field of a listener has to be considered here
    let Listener {
        proxy: _,
        name: _,
        direction,
        address,
        arrival,
        destination: _,
        routes,
        sorted_from: _,
        // counted by programs
        max_connections: _,
        idle_timeout,
        max_age,
        accept_proxy_protocol,
        tls,
        permissions: _,
        max_connect_attempts,
        access_logs: _,
        mirror,
        data_path,
    } = listener;
    match direction {
        Direction::Outbound => {}
        Direction::Inbound | Direction::Gateway => return Err(Reason::Direction(*direction)),
    }
    if *arrival != Arrival::Opened {
        return Err(Reason::Redirected);
    }
    let first = routes.first();
    let by_name = routes.iter().any(|(matched, _)| *matched != Match::Everything);
    let found = [
        (*data_path == DataPath::Relay, Reason::Asked),
        (address.ip().is_unspecified(), Reason::EveryAddress),
        (*accept_proxy_protocol || tls.is_some(), Reason::ReadsFirst),
        (by_name, Reason::Routes),
        (idle_timeout.is_some() && !means.ends, Reason::IdleTimeout),
        (max_age.is_some() && !means.ends, Reason::MaxAge),
        (max_connect_attempts.get() > 1, Reason::Attempts),
        (mirror.is_some(), Reason::Mirror),
    ];
    if let Some((_, reason)) = found.into_iter().find(|(is_so, _)| *is_so) {
        return Err(reason);
    }
    let Some((_, route)) = first else { return Err(Reason::Routes) };
    let Route {
        name: _,
        origin: _,
        backends: _,
        split: _,
        sticky,
        retry_other_side,
        refusal: _,
        existing,
        drain_grace,
    } = &**route;
    let found = [
        (*retry_other_side, Reason::OtherSide),
        (sticky.is_some() && client_of(listener).is_none(), Reason::Sticky),
        ((*existing != Existing::Keep || drain_grace.is_some()) && !means.ends, Reason::Existing),
    ];
    match found.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, reason)) => Err(reason),
        None => Ok(route),
    }
}

/// Address of clients of a listener that did not bind to one; `None`: there are several.
pub(crate) fn client_of(listener: &Listener) -> Option<IpAddr> {
    match listener.address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => Some(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_loopback() => Some(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// Reason why a listener's cluster needs the relay; `None`: nothing, as far as it is configured.
pub(crate) fn of_cluster(cluster: &Cluster, listener: &Listener) -> Option<OfCluster> {
    let Cluster {
        name: _,
        connect_timeout: _,
        undialable,
        endpoints: _,
        tiers: _,
        policy,
        slow_start: _,
        max_connections: _,
        max_pending: _,
        health_check: _,
        outlier: _,
        failover_threshold: _,
        panic_threshold: _,
        fail_on_panic: _,
        proxy_protocol,
        keepalive: _,
        user_timeout: _,
        tls,
        source,
    } = cluster;
    let found = [
        (undialable.is_some(), OfCluster::Undialable),
        (tls.is_some(), OfCluster::Tls),
        (proxy_protocol.is_some(), OfCluster::ProxyHeader),
        (source.is_some(), OfCluster::Source),
        (choices_of(policy).is_some_and(|choices| choices > STEPS), OfCluster::Choices),
        (policy.is_by_client() && client_of(listener).is_none(), OfCluster::Client),
    ];
    found.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
}

/// Number of endpoints of which the least busy is taken; `None`: the policy is another one.
pub(crate) fn choices_of(policy: &BalancingPolicy) -> Option<usize> {
    match policy {
        BalancingPolicy::LeastConnections { choices } => Some(choices.get() as usize),
        BalancingPolicy::RoundRobin
        | BalancingPolicy::Random
        | BalancingPolicy::RingHash { .. }
        | BalancingPolicy::Maglev { .. } => None,
    }
}
