//! Rules → listeners, routes, weighted backends (spec 04).
//!
//! ```text
//!  View ──dialled──▶ what the application dials
//!         ──owner──▶ the deciding policy, and its backendRefs
//!         ──split──▶ backends, each with its fate ──clusters──▶ endpoints, TLS
//! ```

mod clusters;
mod considered;
mod dialled;
mod endpoints;
mod facts;
mod gateway;
mod host_names;
mod http;
pub(crate) mod identity;
mod inbound;
mod legacy;
mod locality;
mod matched;
mod mesh_tls;
mod mirror;
mod names;
mod near;
mod of_inbounds;
mod outbound;
mod owner;
mod permissions;
mod protocol;
mod redirected;
mod rollout;
mod service;
pub(crate) mod service_identity;
mod settings;
pub(crate) mod sni;
mod split;
mod status;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clusters::Clusters;
use facts::Facts;
use inbound::Offered;
use mesh_tls::MeshTls;
use model::Kind;
use owner::Owners;
use split::Splitter;

use crate::circles::{self, ProxyListeners};
use crate::plan::{Backend, Cluster, Listener, Plan, Proxy, Warning};
use crate::rules::Rules;
use crate::view::View;
pub(crate) use endpoints::tls_to_outside;
pub use permissions::permissions_of;
pub(crate) use zone::{plan_egress, plan_ingress};

/// Rules about the proxy's destinations by policy kind, for the kinds that affect TCP.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyRules {
    /// Rules of MeshTCPRoute.
    pub tcp_route: Arc<Rules>,
    /// Rules of MeshHTTPRoute.
    pub http_route: Arc<Rules>,
    /// Rules of MeshTimeout.
    pub timeout: Arc<Rules>,
    /// Rules of MeshRetry.
    pub retry: Arc<Rules>,
    /// Rules of MeshAccessLog.
    pub access_log: Arc<Rules>,
    /// Rules of MeshLoadBalancingStrategy.
    pub load_balancing: Arc<Rules>,
    /// Rules of MeshHealthCheck.
    pub health_check: Arc<Rules>,
    /// Rules of MeshCircuitBreaker.
    pub circuit_breaker: Arc<Rules>,
    /// Rules of MeshTCPMirror.
    pub mirror: Arc<Rules>,
}

impl View<'_> {
    /// Returns the rules of each policy kind about the proxy.
    pub fn proxy_rules(&self) -> ProxyRules {
        ProxyRules {
            tcp_route: self.rules(Kind::MeshTCPRoute),
            http_route: self.rules(Kind::MeshHTTPRoute),
            timeout: self.rules(Kind::MeshTimeout),
            retry: self.rules(Kind::MeshRetry),
            access_log: self.rules(Kind::MeshAccessLog),
            load_balancing: self.rules(Kind::MeshLoadBalancingStrategy),
            health_check: self.rules(Kind::MeshHealthCheck),
            circuit_breaker: self.rules(Kind::MeshCircuitBreaker),
            mirror: self.rules(Kind::MeshTCPMirror),
        }
    }

    /// Plans the proxy.
    pub fn route(&self, rules: &ProxyRules) -> Plan {
        let ProxyRules {
            tcp_route,
            http_route,
            timeout,
            retry,
            access_log,
            load_balancing,
            health_check,
            circuit_breaker,
            mirror,
        } = rules;
        let facts = Facts::of(self);
        let mut warnings: Vec<Warning> = Vec::new();
        warnings.extend(facts.mtls.as_deref().and_then(identity::warning).map(Warning::from));
        let mesh_tls = MeshTls::of(self, &mut warnings);
        let dialled = dialled::of_proxy(self, &facts, &mut warnings);
        let ports = dialled.iter().map(|dialled| dialled.port).collect();
        warnings.extend(settings::data_path_of_nobody(self, &ports));
        let of_listeners = [tcp_route, http_route, timeout, retry, access_log, mirror];
        for rules in of_listeners.into_iter().chain([load_balancing, health_check, circuit_breaker]) {
            warnings.extend(rules.warnings.iter().cloned().map(Warning::from));
        }
        let owners = Owners::of(self, rules);
        let clusters = Clusters::new(self, &facts, rules);
        let mut splitter = Splitter { view: self, facts: &facts, clusters, warnings };
        let pools = self.reader().pools();
        let mut listeners: Vec<Arc<Listener>> = dialled
            .into_iter()
            .filter_map(|dialled| outbound::plan(self, &facts, &owners, &mut splitter, dialled))
            .map(|outbound| pools.listeners.shared(outbound))
            .collect();
        listeners.extend(gateway::listeners(self, rules, &mut splitter).into_iter().map(Arc::new));
        let routes = status::of_routes(self, &owners, &listeners);

        let Splitter { view: _, facts: _, clusters, mut warnings } = splitter;
        let mut of_clusters = Vec::new();
        let mut clusters = clusters.finish(&mut of_clusters);
        let splits = listeners.iter().flat_map(|listener| listener.routes()).flat_map(|route| &route.split);
        let mirrors = listeners.iter().filter_map(|listener| listener.settings.mirror.as_ref());
        let mirrors = mirrors.filter_map(|mirror| mirror.value.cluster());
        let used: BTreeSet<&str> = splits.filter_map(Backend::cluster).chain(mirrors).collect();
        clusters.retain(|name, _| used.contains(name.as_str()));
        mesh_tls.limit(&mut clusters, &listeners, self.mesh_name());
        let inbounds = inbound::of_proxy(self, &facts, &mesh_tls, &mut warnings);
        let redirected =
            redirected::redirected(self, &facts, &mesh_tls, access_log, &inbounds, &mut warnings);
        let zone::Carried { listeners: carried, clusters: of_carried } =
            zone::of_proxy(self, &facts, rules, &clusters, &mut warnings);
        let (inbounds, applications): (Vec<_>, Vec<_>) = inbounds
            .into_iter()
            .map(|Offered { listener, application }| (Arc::new(listener), application))
            .unzip();
        listeners.splice(..0, inbounds.into_iter().chain(carried.into_iter().map(Arc::new)));
        clusters.extend(of_carried);
        for application in applications {
            clusters.entry(application.name.clone()).or_insert(application);
        }
        let names = host_names::of_proxy(self, &facts, &listeners);
        warnings.extend(of_clusters);
        let clusters: BTreeMap<String, Arc<Cluster>> =
            clusters.into_iter().map(|(name, cluster)| (name, pools.clusters.shared(cluster))).collect();
        let place =
            ProxyListeners { host: &self.dataplane().address, listeners: &listeners, clusters: &clusters };
        warnings.extend(circles::remarks(place).into_iter().map(Warning::from));
        warnings.sort();
        warnings.dedup();
        Plan {
            proxy: Proxy {
                id: self.proxy().clone().into(),
                service: self.dataplane().service().unwrap_or_default().to_owned(),
                zone: facts.zone.unwrap_or_default(),
                address: self.dataplane().address.clone(),
            },
            profile: self.profile(),
            mtls: facts.mtls,
            listeners,
            redirected,
            clusters,
            names,
            routes,
            warnings,
        }
    }
}
