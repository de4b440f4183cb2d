//! Which path the connections of a listener take, and why: one table.

use std::fmt;
use std::sync::Arc;

use l4::balance::{Policy, Rule};
use l4::config::{Arrival, Cluster, Direction, Existing, Listener, Match, Route};

/// The path of the connections of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// They are decided where they are dialled, and reach their endpoint without a relay.
    Kernel,
    /// The relay carries them, for this reason.
    Relay(Reason),
}

impl Path {
    /// The path in a word, as metrics and the admin server say it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Relay(_) => "relay",
        }
    }
}

/// Why the relay carries the connections of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody asked for anything else.
    NotAsked,
    /// The programs are not in this kernel, or not attached.
    Unavailable(Arc<str>),
    /// It is no outbound.
    Direction(Direction),
    /// The kernel redirects connections to it, by rules of the host.
    Redirected,
    /// It listens on every address of the host.
    EveryAddress,
    /// Something that a client sends first is read: TLS, or a PROXY protocol header.
    ReadsFirst,
    /// Routes differ by who connects, or by what is asked for.
    Routes,
    /// It has a limit of connections.
    ListenerLimit,
    /// Idle connections are ended.
    IdleTimeout,
    /// Connections that are too old are ended.
    MaxAge,
    /// Several endpoints are tried for one connection.
    Attempts,
    /// What clients send is copied to a mirror.
    Mirror,
    /// Another backend is tried for a connection.
    OtherSide,
    /// A client keeps its backend.
    Sticky,
    /// Connections that live are moved when weights change.
    Existing,
    /// Something of a cluster.
    Cluster(Arc<str>, OfCluster),
    /// The route has too many backends.
    Backends,
    /// The tables in the kernel are full.
    Full,
    /// Its address could not be written into the kernel's tables.
    NotWritten(Arc<str>),
}

/// What of a cluster needs the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfCluster {
    /// This proxy cannot dial it.
    Undialable,
    /// TLS is spoken with its endpoints.
    Tls,
    /// Connections to it begin with a PROXY protocol header.
    ProxyHeader,
    /// It is dialled from an address of its own.
    Source,
    /// It has a limit of connections.
    Limit,
    /// Its endpoints are chosen by how busy they are.
    Load,
    /// Its endpoints are chosen by the client's address.
    Client,
    /// It has too many endpoints, or addresses of them.
    Endpoints,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotAsked => "--data-path relay",
            Self::Unavailable(why) | Self::NotWritten(why) => why,
            Self::Direction(Direction::Inbound) => "it is an inbound",
            Self::Direction(Direction::Gateway) => "it is a gateway",
            Self::Direction(Direction::Outbound) => "it is an outbound",
            Self::Redirected => "connections are redirected to it",
            Self::EveryAddress => "it listens on every address of the host",
            Self::ReadsFirst => "what a client sends first is read",
            Self::Routes => "routes differ by who connects, or what is asked for",
            Self::ListenerLimit => "it has a limit of connections",
            Self::IdleTimeout => "it has an idle timeout",
            Self::MaxAge => "its connections have a maximum age",
            Self::Attempts => "several endpoints are tried for one connection",
            Self::Mirror => "what clients send is copied to a mirror",
            Self::OtherSide => "another backend is tried when one cannot be reached",
            Self::Sticky => "clients keep their backend",
            Self::Existing => "connections that live are moved when weights change",
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
            Self::Limit => "it has a limit of connections",
            Self::Load => "its endpoints are chosen by how busy they are",
            Self::Client => "its endpoints are chosen by the client's address",
            Self::Endpoints => "it has too many endpoints",
        })
    }
}

/// The route that decides about every connection of a listener, if that can be where they are dialled.
///
/// # Errors
/// The reason for which the relay carries them.
pub fn route_in_kernel(listener: &Listener) -> Result<&Arc<Route>, Reason> {
    // taken apart, so that what a listener learns to do is looked at here
    let Listener {
        proxy: _,
        name: _,
        direction,
        address,
        arrival,
        destination: _,
        routes,
        sorted_from: _,
        max_connections,
        idle_timeout,
        max_age,
        accept_proxy_protocol,
        tls,
        permissions: _,
        max_connect_attempts,
        access_logs: _,
        mirror,
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
        (address.ip().is_unspecified(), Reason::EveryAddress),
        (*accept_proxy_protocol || tls.is_some(), Reason::ReadsFirst),
        (by_name, Reason::Routes),
        (max_connections.is_some(), Reason::ListenerLimit),
        (idle_timeout.is_some(), Reason::IdleTimeout),
        (max_age.is_some(), Reason::MaxAge),
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
        (sticky.is_some(), Reason::Sticky),
        (*existing != Existing::Keep || drain_grace.is_some(), Reason::Existing),
    ];
    match found.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, reason)) => Err(reason),
        None => Ok(route),
    }
}

/// What of a cluster needs the relay; `None`: nothing, as far as it is configured.
pub(crate) fn of_cluster(cluster: &Cluster) -> Option<OfCluster> {
    let Cluster {
        name: _,
        connect_timeout: _,
        undialable,
        endpoints: _,
        tiers: _,
        policy,
        slow_start: _,
        max_connections,
        max_pending,
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
        (max_connections.is_some() || max_pending.is_some(), OfCluster::Limit),
        (matches!(policy, Policy::LeastConnections { .. }), OfCluster::Load),
        (policy.is_by_client(), OfCluster::Client),
    ];
    found.into_iter().find(|(is_so, _)| *is_so).map(|(_, why)| why)
}

/// What of the rule of a roster needs the relay.
pub(crate) fn of_rule(rule: Rule<'_>) -> Option<OfCluster> {
    match rule {
        Rule::Turns(_) | Rule::Chance(_) | Rule::Nobody => None,
        Rule::Load => Some(OfCluster::Load),
        Rule::Client => Some(OfCluster::Client),
    }
}
