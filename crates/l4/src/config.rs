//! What this process should carry: listeners, their routes, and where those lead. Immutable and valid.
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
pub use outside::{DialTls, OutsideName, OutsidePeer, OutsideTerms, OutsideTls, Shows, Vouching};
pub use problem::{Problem, Problems};
pub use tls::{
    Cipher, ClientTls, Identity, MESH_PROTOCOL, NamePattern, ServerTls, TlsEnd, TlsLimits, TlsTerms,
    TlsVersion, Trust,
};

/// How long establishing a connection may take when a cluster does not say.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of a proxy whose listeners this process carries, e.g. `default/web-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyName(Arc<str>);

impl ProxyName {
    /// Takes any text; two proxies of one process need different names.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
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

/// Everything that one process should carry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    listeners: Vec<Arc<Listener>>,
    names: HostNames,
}

impl Config {
    /// Reads the L4 messages of every proxy that this process carries.
    ///
    /// # Errors
    /// All problems at once: messages that cannot be read, names that lead nowhere, values out of range, and two
    /// listeners that want one address and port.
    pub fn parse(proxies: &[(ProxyName, &ResourceSet)]) -> Result<Self, Problems> {
        parse::config(proxies)
    }

    /// The listeners, sorted by proxy and name.
    pub fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
    }

    /// The host names of the mesh, of all proxies.
    pub fn names(&self) -> &HostNames {
        &self.names
    }
}

/// Where connections are accepted, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// The proxy that it belongs to.
    pub proxy: ProxyName,
    /// Unique in its proxy, e.g. `outbound:127.0.0.1:13306`.
    pub name: Arc<str>,
    /// Which way connections flow.
    pub direction: Direction,
    /// The address to bind; captured: the destination that it is for, of which [`Listener::arrival`] says more.
    pub address: SocketAddr,
    /// How connections come to it.
    pub arrival: Arrival,
    /// What a client dials here, in the operator's words.
    pub destination: Arc<str>,
    /// The routes, each with the connections that it is for; the first that matches decides, and what none matches is
    /// refused. Rules with matches in their order, then server names, the most specific one first, then everything.
    pub routes: Vec<(Match, Arc<Route>)>,
    /// From which route on they are sorted: exact server names first, by name, then the others, the longer before the shorter.
    pub sorted_from: usize,
    /// How many connections may live at once; `None`: no limit of its own.
    pub max_connections: Option<NonZeroU32>,
    /// Closes a connection on which nothing moved for so long; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Closes a connection this long after it was accepted; `None`: never.
    pub max_age: Option<Duration>,
    /// Whether a PROXY protocol header comes first, and names the client.
    pub accept_proxy_protocol: bool,
    /// How TLS of clients is ended of which no route says; `None`: it is passed on as it is.
    pub tls: Option<ServerTls>,
    /// Who may connect over the TLS that `tls` ends; `None`: whoever gets as far.
    pub permissions: Option<Permissions>,
    /// How many endpoints of a backend to try before a connection is refused, or goes to another backend.
    pub max_connect_attempts: NonZeroU32,
    /// Where lines about finished connections go, besides the proxy's own connection log.
    pub access_logs: Vec<AccessLog>,
    /// Where a copy of what clients send goes; `None`: nowhere.
    pub mirror: Option<Mirror>,
    /// Which way its connections take, where the proxy may choose.
    pub data_path: DataPath,
}

impl Listener {
    /// The clusters that its connections, or copies of them, may go to.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        let backends = self.routes.iter().flat_map(|(_, route)| &route.backends);
        let targets = backends.map(|backend| &backend.target).chain(self.mirror.iter().map(|it| &it.target));
        targets.filter_map(|target| match target {
            Target::Cluster(cluster) => Some(cluster),
            Target::Unavailable(_) => None,
        })
    }
}

/// Which connections of a listener a route is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// All of them.
    Everything,
    /// Those that ask for one of these TLS server names: the client hello is awaited before anything is decided.
    ServerName {
        /// The names.
        pattern: ServerNamePattern,
        /// How their TLS ends here; `None`: as that of the listener does, if it does.
        end: Option<Arc<TlsEnd>>,
    },
    /// Those of another match that come from a network.
    From {
        /// Where they come from.
        source: Network,
        /// The other match.
        of: Box<Match>,
    },
}

impl Match {
    /// Whether a connection of a client that asks for `server_name` (lower case; `None`: no name, or nobody asked) is one of them.
    pub fn takes(&self, client: IpAddr, server_name: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::ServerName { pattern, end: _ } => pattern.matches(server_name),
            Self::From { source, of } => source.contains(client) && of.takes(client, server_name),
        }
    }

    /// Whether a connection of a client is one of them whatever it asks for; `None`: none is.
    pub(crate) fn takes_unasked(&self, client: IpAddr) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::ServerName { .. } => Some(false),
            Self::From { source, of } if source.contains(client) => of.takes_unasked(client),
            Self::From { .. } => None,
        }
    }

    /// How the TLS of its connections ends here; `None`: as that of the listener does, if it does.
    pub fn end(&self) -> Option<&Arc<TlsEnd>> {
        match self {
            Self::Everything => None,
            Self::ServerName { pattern: _, end } => end.as_ref(),
            Self::From { source: _, of } => of.end(),
        }
    }

    /// The one server name that its connections ask for, wherever they come from; `None`: they need not.
    pub(crate) fn exact(&self) -> Option<&str> {
        match self {
            Self::ServerName { pattern: ServerNamePattern::Exact(name), end: _ } => Some(name),
            Self::ServerName { .. } | Self::Everything | Self::From { .. } => None,
        }
    }

    /// Greater fits better: an exact server name, then the longest suffix, then any name, then everything.
    pub(crate) fn specificity(&self) -> (bool, usize) {
        match self {
            Self::Everything => (false, 0),
            Self::ServerName { pattern, end: _ } => (true, pattern.specificity()),
            Self::From { source: _, of } => of.specificity(),
        }
    }
}

/// A set of TLS server names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerNamePattern {
    /// `*`: every name, also none.
    Any,
    /// `*.example.com`, kept as `.example.com`: every name below it, at any depth.
    Below(Arc<str>),
    /// `db.example.com`: this name only.
    Exact(Arc<str>),
}

impl ServerNamePattern {
    /// Whether a connection that asks for `name` (lower case; `None`: no name) is in the set.
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

/// How connections are split, and who said so.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Unique in its proxy.
    pub name: Arc<str>,
    /// The policy and rule that decided; `None`: connections go to the dialled service by default.
    pub origin: Option<Origin>,
    /// The backends in the order of their backendRefs.
    pub backends: Vec<Backend>,
    /// The weights of `backends`, ready for choosing.
    pub split: Split,
    /// The same for a route on which a client keeps its backend; `None`: every connection is drawn anew.
    pub sticky: Option<Rendezvous>,
    /// Whether a connection that no endpoint of its backend takes is tried at another backend.
    pub retry_other_side: bool,
    /// Why connections are refused when there is no backend to choose.
    pub refusal: Arc<str>,
    /// What a change of the weights does to connections that live.
    pub existing: Existing,
    /// How long connections to a backend that this route no longer has may go on; `None`: what `existing` says.
    pub drain_grace: Option<Duration>,
}

/// One side of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// The backendRef in words.
    pub reference: Arc<str>,
    /// Its share is `weight` over the sum of weights; 0 never gets a connection.
    pub weight: u32,
    /// Where its share goes.
    pub target: Target,
    /// What its share does while nothing of its cluster can be dialled.
    pub when_down: WhenDown,
}

/// What the share of a backend does while nothing of its cluster can be dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDown {
    /// It is refused.
    #[default]
    Refuse,
    /// It goes to the other backends, by their weights.
    Spill,
}

impl Backend {
    /// The name of its cluster; empty for a share that is refused.
    pub fn cluster_name(&self) -> &str {
        match &self.target {
            Target::Cluster(cluster) => &cluster.name,
            Target::Unavailable(_) => "",
        }
    }
}

/// Where the share of a backend goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// To the endpoints of this cluster.
    Cluster(Arc<Cluster>),
    /// Nowhere: it is refused, for this reason.
    Unavailable(Arc<str>),
}

/// Where access log lines go, and what they look like.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// Where to.
    pub sink: Sink,
    /// What a line looks like.
    pub format: AccessLogFormat,
    /// The policy that asked for it.
    pub origin: Option<Origin>,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to a file, which is opened anew when it was renamed or removed.
    File(Arc<str>),
    /// Sent to `host:port` over TCP.
    Tcp(Arc<str>),
}

/// What an access log line looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// The proxy's own connection log line.
    Default,
    /// A format string with `%COMMAND%`s.
    Plain(Arc<str>),
    /// A JSON object: keys, and format strings for their values.
    Json(Vec<(Arc<str>, Arc<str>)>),
}
