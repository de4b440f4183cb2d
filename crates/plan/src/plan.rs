//! What one proxy must do. No word of any proxy's own dialect in it.
//!
//! Every value that an operator could ask "why?" about carries its [`PolicyOrigin`], and every backend that cannot be
//! used keeps its place with the reason.

mod cluster;
mod gateway;
mod ingress;
mod outbound;
mod settings;
mod split;
mod status;

pub use cluster::{Cluster, ClusterKind, DirectAccess, Endpoint, ExternalTls, ProxyTls, Via};
pub use gateway::{GatewayHost, GatewayListener, GatewayTls, NO_GATEWAY_ROUTE};
pub use ingress::{IngressCluster, IngressEntry, IngressPlan};
pub use model::declared::{Existing, OnUnavailable, ProxyProtocol, Sticky};
pub use outbound::{Destination, Outbound, Owner};
pub use settings::{
    AccessLog, ClusterSettings, ConnectionSettings, LogBackend, LogFormat, Panic, Sourced, SplitSettings,
};
pub use split::{Backend, Fate, Unusable, shares};
pub use status::{Considered, IgnoredBecause, Outcome, RouteStatus};

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use model::topology::Protocol;
use model::{Kind, ProxyKey, Resource, ResourceId};

/// The plan of one proxy. Parts that are equal in the plans of several proxies are held once.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whose plan it is.
    pub proxy: ProxyKey,
    /// The service that the proxy stands for; empty where nothing says.
    pub service: String,
    /// The zone that the proxy is in; empty where nothing says.
    pub zone: String,
    /// The address of the proxy.
    pub address: String,
    /// How proxies of the mesh trust each other; absent: they speak plaintext.
    pub mtls: Option<Mtls>,
    /// What the proxy's application offers, in the order of the Dataplane.
    pub inbounds: Vec<Inbound>,
    /// What the proxy's application dials, in the order of the Dataplane.
    pub outbounds: Vec<Arc<Outbound>>,
    /// What the proxy offers to the outside as a builtin gateway, by port.
    pub gateway_listeners: Vec<GatewayListener>,
    /// Every destination that some backend of the plan names, by cluster name.
    pub clusters: BTreeMap<String, Arc<Cluster>>,
    /// What became of each route policy that speaks about this proxy, sorted by policy.
    pub routes: Vec<Arc<RouteStatus>>,
    /// What the operator should know about this proxy, in words; none of it stopped anything.
    pub warnings: Vec<String>,
}

/// How proxies of a mesh trust each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtls {
    /// The mesh.
    pub mesh: String,
    /// Who issues the certificates: the name of the mesh's mTLS backend, or of a MeshIdentity.
    pub backend: String,
    /// The MeshIdentity that gives the proxy its certificate, by KRI; absent where the mesh does.
    pub identity: Option<String>,
    /// Whether proxies accept plaintext too, while the mesh moves over.
    pub permissive: bool,
    /// Whether proxies have workload identities, which replace the mesh CA (spec 04 §8.2).
    pub workload_identity: bool,
}

/// One port that the application offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// The listener's name, e.g. `inbound:10.0.0.7:10080`.
    pub name: String,
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port that the proxy listens on.
    pub port: u16,
    /// The address that the application listens on.
    pub service_address: String,
    /// The port that the application listens on.
    pub service_port: u16,
    /// The service that the inbound stands for, as its tag or name says; may be empty.
    pub service: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether connections to it begin with a PROXY protocol header.
    pub accept_proxy_protocol: Option<Sourced<bool>>,
}

/// The policy, and the place in it, that a value comes from. Cloning shares it: many values of many plans come from one
/// place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyOrigin(Arc<PolicyPlace>);

/// A policy, and a place in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyPlace {
    /// The policy.
    pub policy: ResourceId,
    /// Its stored name, which differs from the display name in `policy` on synchronised copies.
    pub name: String,
    /// The index of the `to` item; absent where the policy has no list.
    pub item: Option<usize>,
    /// Where the policy was written: `file:line`; may be empty.
    pub source: Arc<str>,
}

impl PolicyOrigin {
    /// An item of a policy, by its index in the list; without one, the whole policy.
    pub(crate) fn of(policy: &Resource, item: Option<usize>) -> Self {
        let Resource { meta, spec: _ } = policy;
        let name = meta.name.as_str().to_owned();
        Self(Arc::new(PolicyPlace { policy: policy.id(), name, item, source: Arc::clone(&meta.source) }))
    }
}

impl Deref for PolicyOrigin {
    type Target = PolicyPlace;
    fn deref(&self) -> &PolicyPlace {
        &self.0
    }
}

impl PolicyPlace {
    /// The place in the policy that says it, e.g. `to[0].rules[0]`; empty where the policy has no list.
    pub fn place(&self) -> String {
        // routes say what they say in a rule, and TCP has at most one; others beside their destination
        let is_route = matches!(self.policy.kind, Kind::MeshTCPRoute | Kind::MeshHTTPRoute);
        let within = if is_route { ".rules[0]" } else { ".default" };
        self.item.map(|index| format!("to[{index}]{within}")).unwrap_or_default()
    }
}
