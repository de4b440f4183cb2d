//! Configuration of a process: listeners, their routes, and the clusters behind them. Immutable and valid.
//!
//! A [`Config`] is made from the L4 messages of one or more proxies, all problems reported at once. Afterwards
//! nothing is looked up by name: a [`Listener`] owns its routes, a [`Route`] its backends, a [`Backend`] its cluster.

mod arrival;
mod cluster;
mod mirror;
mod names;
mod network;
mod outside;
mod parse;
mod problem;
mod tls;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use xds::ResourceSet;
pub use xds::proto::l4::{DataPath, Direction, Existing, Origin};

use crate::balance::{Rendezvous, Split};
use crate::permit::Permissions;
pub use arrival::{Arrival, Destinations};
pub use cluster::{
    Cluster, DEFAULT_PANIC_THRESHOLD, Endpoint, HealthCheck, Host, Keepalive, OutlierDetection, Tier,
};
pub use mirror::Mirror;
pub use names::HostNames;
pub use network::Network;
pub use outside::{
    ClientCertificate, DialTls, OutsideName, OutsidePeer, OutsideTerms, OutsideTls, TrustedAuthorities,
};
pub use problem::{Problem, Problems};
pub use tls::{
    Cipher, ClientTls, Identity, MESH_PROTOCOL, NamePattern, ServerTls, TlsEnd, TlsLimits, TlsTerms,
    TlsVersion, Trust,
};

/// Connect timeout of a cluster that sets none.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Name of a proxy whose listeners this process carries, e.g. `default/web-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyName(Arc<str>);

impl ProxyName {
    /// Accepts any text; two proxies of one process need different names.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ProxyName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for ProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Configuration of one process: listeners and host names of all its proxies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    listeners: Vec<Arc<Listener>>,
    names: HostNames,
}

impl Config {
    /// Parses the L4 messages of every proxy that this process carries.
    ///
    /// # Errors
    /// All problems at once: messages that cannot be read, references to missing resources, values out of range, and
    /// two listeners with the same address and port.
    pub fn parse(proxies: &[(ProxyName, &ResourceSet)]) -> Result<Self, Problems> {
        parse::config(proxies)
    }

    /// Listeners, sorted by proxy and name.
    pub fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
    }

    /// Host names of the mesh, of all proxies.
    pub fn names(&self) -> &HostNames {
        &self.names
    }
}

/// Accepting side of connections: address, routes and limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Proxy that it belongs to.
    pub proxy: ProxyName,
    /// Name, unique in its proxy, e.g. `outbound:127.0.0.1:13306`.
    pub name: Arc<str>,
    /// Direction of its connections.
    pub direction: Direction,
    /// Address to bind; captured: the original destination, refined by [`Listener::arrival`].
    pub address: SocketAddr,
    /// Way in which connections arrive at it.
    pub arrival: Arrival,
    /// Destination that a client dials here, in the operator's words.
    pub destination: Arc<str>,
    /// Routes, each with its match: the first match decides, and a connection without a match is refused. Order: rules
    /// with matches as given, then server names, most specific first, then everything.
    pub routes: Vec<(Match, Arc<Route>)>,
    /// Index of the first route of the sorted part: exact server names first, by name, then the others, longer before
    /// shorter.
    pub sorted_from: usize,
    /// Limit on live connections of this listener; `None`: no limit of its own.
    pub max_connections: Option<NonZeroU32>,
    /// Idle timeout; `None`: no limit.
    pub idle_timeout: Option<Duration>,
    /// Maximum age of a connection, counted from its accept; `None`: no limit.
    pub max_age: Option<Duration>,
    /// `true`: every connection begins with a PROXY protocol header, which names the client.
    pub accept_proxy_protocol: bool,
    /// TLS termination for connections whose route has none of its own; `None`: TLS is passed through.
    pub tls: Option<ServerTls>,
    /// Permissions of clients over the TLS that `tls` terminates; `None`: every client that passes the handshake is
    /// allowed.
    pub permissions: Option<Permissions>,
    /// Number of endpoints of a backend to try before a connection is refused, or goes to another backend.
    pub max_connect_attempts: NonZeroU32,
    /// Access logs of finished connections, besides the proxy's own connection log.
    pub access_logs: Vec<AccessLog>,
    /// Mirror for a copy of what clients send; `None`: no mirroring.
    pub mirror: Option<Mirror>,
    /// Data path of its connections, where the proxy has a choice.
    pub data_path: DataPath,
}

impl Listener {
    /// Clusters that its connections, or copies of them, may go to.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        let backends = self.routes.iter().flat_map(|(_, route)| &route.backends);
        let targets = backends.map(|backend| &backend.target).chain(self.mirror.iter().map(|it| &it.target));
        targets.filter_map(|target| match target {
            Target::Cluster(cluster) => Some(cluster),
            Target::Unavailable(_) => None,
        })
    }
}

/// Condition under which a connection of a listener takes a route.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// Every connection.
    Everything,
    /// Connections with one of these TLS server names: the client hello is awaited before the decision.
    ServerName {
        /// Set of server names.
        pattern: ServerNamePattern,
        /// TLS termination of these connections; `None`: that of the listener, if it has one.
        end: Option<Arc<TlsEnd>>,
    },
    /// Connections of another match that come from a network.
    From {
        /// Network of the client.
        source: Network,
        /// The other match.
        of: Box<Match>,
    },
}

impl Match {
    /// Returns `true` if a connection of this client and `server_name` matches. `server_name` is in lower case; `None`:
    /// no name in the client hello, or no client hello read.
    pub fn takes(&self, client: IpAddr, server_name: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::ServerName { pattern, end: _ } => pattern.matches(server_name),
            Self::From { source, of } => source.contains(client) && of.takes(client, server_name),
        }
    }

    /// Returns `Some(true)` if every connection of this client matches, `Some(false)` if the server name decides, and
    /// `None` if none matches.
    pub(crate) fn takes_unasked(&self, client: IpAddr) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::ServerName { .. } => Some(false),
            Self::From { source, of } if source.contains(client) => of.takes_unasked(client),
            Self::From { .. } => None,
        }
    }

    /// TLS termination of its connections; `None`: that of the listener, if it has one.
    pub fn end(&self) -> Option<&Arc<TlsEnd>> {
        match self {
            Self::Everything => None,
            Self::ServerName { pattern: _, end } => end.as_ref(),
            Self::From { source: _, of } => of.end(),
        }
    }

    /// Exact server name that its connections must ask for, from any network; `None`: there is none.
    pub(crate) fn exact(&self) -> Option<&str> {
        match self {
            Self::ServerName { pattern: ServerNamePattern::Exact(name), end: _ } => Some(name),
            Self::ServerName { .. } | Self::Everything | Self::From { .. } => None,
        }
    }

    /// Specificity, greater is more specific: an exact server name, then the longest suffix, then any name, then
    /// everything.
    pub(crate) fn specificity(&self) -> (bool, usize) {
        match self {
            Self::Everything => (false, 0),
            Self::ServerName { pattern, end: _ } => (true, pattern.specificity()),
            Self::From { source: _, of } => of.specificity(),
        }
    }
}

/// Set of TLS server names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerNamePattern {
    /// `*`: every name, and connections without a name.
    Any,
    /// `*.example.com`, stored as `.example.com`: every name below it, at any depth.
    Below(Arc<str>),
    /// `db.example.com`: this name only.
    Exact(Arc<str>),
}

impl ServerNamePattern {
    /// Returns `true` if a connection with server name `name` (lower case; `None`: no name) is in the set.
    pub fn matches(&self, name: Option<&str>) -> bool {
        match (self, name) {
            (Self::Any, _) => true,
            (Self::Below(suffix), Some(name)) => name.len() > suffix.len() && name.ends_with(&**suffix),
            (Self::Exact(exact), Some(name)) => **exact == *name,
            (Self::Below(_) | Self::Exact(_), None) => false,
        }
    }

    fn specificity(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Below(suffix) => suffix.len(),
            Self::Exact(_) => usize::MAX,
        }
    }
}

/// Route: a split of connections among backends, and the policy behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Name, unique in its proxy.
    pub name: Arc<str>,
    /// Policy and rule behind the route; `None`: default route to the dialled service.
    pub origin: Option<Origin>,
    /// Backends in the order of their backendRefs.
    pub backends: Vec<Backend>,
    /// Weights of `backends`, prepared for the choice.
    pub split: Split,
    /// Weights of `backends` for a sticky route, on which a client keeps its backend; `None`: a new draw for every
    /// connection.
    pub sticky: Option<Rendezvous>,
    /// `true`: a connection that no endpoint of its backend takes is tried at another backend.
    pub retry_other_side: bool,
    /// Reason of refusals when there is no backend to choose.
    pub refusal: Arc<str>,
    /// Effect of a change of the weights on live connections.
    pub existing: Existing,
    /// Grace period of connections to a backend that was removed from this route; `None`: as `existing` says.
    pub drain_grace: Option<Duration>,
}

/// Backend: one side of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Description of the backendRef, for humans.
    pub reference: Arc<str>,
    /// Weight: its share is `weight` over the sum of weights; 0: no connections.
    pub weight: u32,
    /// Destination of its share.
    pub target: Target,
    /// Handling of its share while no endpoint of its cluster can be dialled.
    pub when_down: WhenDown,
}

/// Handling of a backend's share while no endpoint of its cluster can be dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDown {
    /// Connections are refused.
    #[default]
    Refuse,
    /// Connections go to the other backends, by their weights.
    Spill,
}

impl Backend {
    /// Name of its cluster; empty for a share that is refused.
    pub fn cluster_name(&self) -> &str {
        match &self.target {
            Target::Cluster(cluster) => &cluster.name,
            Target::Unavailable(_) => "",
        }
    }
}

/// Destination of a backend's share.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Endpoints of this cluster.
    Cluster(Arc<Cluster>),
    /// No destination: connections are refused, for this reason.
    Unavailable(Arc<str>),
}

/// Access log: its sink and the format of its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// Sink of the lines.
    pub sink: LogSink,
    /// Format of a line.
    pub format: AccessLogFormat,
    /// Policy that configured it.
    pub origin: Option<Origin>,
}

/// Sink of log lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogSink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// File, opened for append; reopened after a rename or removal.
    File(Arc<str>),
    /// TCP connection to `host:port`.
    Tcp(Arc<str>),
}

/// Format of an access log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// Default format: the proxy's own connection log line.
    Default,
    /// Format string with `%COMMAND%`s.
    Plain(Arc<str>),
    /// JSON object: keys, and format strings for their values.
    Json(Vec<(Arc<str>, Arc<str>)>),
}
