//! Plan of one proxy. It is independent of any dialect, except for [`Naming`].
//!
//! ```text
//!  Plan ──▶ Listener ──▶ (Match, Route) ──▶ Backend ──▶ Cluster ──▶ Endpoint
//! ```
//!
//! Every value that an operator could ask "why?" about carries its [`PolicyOrigin`], and every backend that cannot
//! be used keeps its place with the reason.

mod access_log;
mod cluster;
mod external_tls;
mod identity;
mod listener;
mod mirror;
mod naming;
mod origin;
mod permissions;
mod proxy;
mod proxy_id;
mod redirected;
mod route;
mod server_name;
mod session;
mod settings;
mod sourced;
mod split;
mod status;
mod terminated;
mod tls_params;
mod warning;
mod words;

pub use access_log::{AccessLog, LogBackend, LogFormat};
pub use cluster::{Cluster, ClusterKind, DirectAccess, Endpoint, EndpointGroup, Hop, PeerNames, ProxyTls};
pub use external_tls::{
    Authority, ExternalName, ExternalPart, ExternalPeer, ExternalSecret, ExternalTls, Mixed, OutsideTls,
};
pub use identity::{Identity, Mtls, Provider, Trust, Unissued};
pub use listener::{Bind, Destination, Direction, Listener, ListenerTls};
pub use mirror::Mirror;
pub use model::declared::{DataPath, OnUnavailable, OnWeightChange, ProxyProtocol, Sticky};
pub use model::policy::ConnectionMatch as Match;
pub use naming::Naming;
pub use origin::{PolicyList, PolicyOrigin, PolicyPlace};
pub use permissions::{NameCondition, NameRule, PeerList, Permissions};
pub use proxy::{Proxy, ProxyId};
pub use redirected::{Leaving, Passthrough, Redirected};
pub use route::{NO_GATEWAY_ROUTE, Owner, Route, RulePlace};
pub use server_name::NoServerName;
pub use session::TlsTermination;
pub use settings::{ClusterSettings, ConnectionSettings, SplitSettings};
pub use sourced::{SettingValue, Sourced};
pub use split::{Backend, BackendFate, Unusable, shares};
pub use status::{Considered, IgnoredBecause, Outcome, RouteStatus};
pub use terminated::Terminated;
pub use tls_params::TlsParams;
pub use warning::Warning;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::Profile;

/// Plan of one proxy. Parts that are equal in the plans of several proxies are stored once.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Proxy that the plan is for.
    pub proxy: Proxy,
    /// Profile whose rules the plan follows; a dialect's defaults differ between the reference's versions.
    pub profile: Profile,
    /// Identity of the proxy and the peers that it trusts; absent: it speaks plaintext, or is an egress, which has
    /// an identity for each mesh in the routes that end TLS.
    pub mtls: Option<Arc<Mtls>>,
    /// Listeners of the proxy: inbounds and then outbounds, each in the order of the Dataplane; those of a builtin
    /// gateway or a zone proxy, by port.
    pub listeners: Vec<Arc<Listener>>,
    /// Treatment of connections that the kernel redirects to the proxy; absent: none are redirected.
    pub redirected: Option<Redirected>,
    /// Destinations of all backends of the plan, by cluster name.
    pub clusters: BTreeMap<String, Arc<Cluster>>,
    /// Host names under which the proxy's applications dial services by virtual IP, in lower case, with their
    /// addresses: only of services that it may dial. Empty unless connections are redirected to it.
    pub names: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Outcome of each route policy that selects this proxy, sorted by policy.
    pub routes: Vec<Arc<RouteStatus>>,
    /// Warnings about this proxy, which stopped nothing. Sorted by their words.
    pub warnings: Vec<Warning>,
}

impl Plan {
    /// Returns every identity that the proxy needs a certificate for: its own first, then those by which its
    /// listeners and routes end TLS, in their order, each once.
    pub fn identities(&self) -> Vec<&Arc<Mtls>> {
        let ended = self.listeners.iter().flat_map(|listener| listener.terminated());
        let mut identities: Vec<&Arc<Mtls>> = Vec::new();
        for mtls in self.mtls.iter().chain(ended.map(|terminated| &terminated.mtls)) {
            if !identities.contains(&mtls) {
                identities.push(mtls);
            }
        }
        identities
    }

    /// Returns the destinations that the proxy dials, by name: every cluster except the applications beside it.
    pub fn destinations(&self) -> impl Iterator<Item = (&String, &Arc<Cluster>)> {
        self.clusters.iter().filter(|(_, cluster)| cluster.kind != ClusterKind::Application)
    }
}
