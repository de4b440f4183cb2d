//! Rules → outbounds, gateway listeners, weighted backends (spec 04).
//!
//! ```text
//!  View ──dialled──▶ what the application dials
//!         ──owner──▶ who decides, and the backendRefs
//!         ──split──▶ backends, each with its fate ──clusters──▶ endpoints, TLS
//! ```

mod clusters;
mod considered;
mod dialled;
mod endpoints;
mod facts;
mod gateway;
mod http;
mod inbound;
mod ingress;
mod legacy;
mod locality;
mod names;
mod near;
mod outbound;
mod owner;
mod protocol;
mod service;
mod settings;
mod split;
mod status;

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Kind;

use crate::plan::{Backend, Plan};
use crate::rules::Rules;
use crate::view::View;
use clusters::Clusters;
pub use dialled::{Dialled, DialledTarget};
use facts::Facts;
pub use ingress::plan_ingress;
use owner::Owners;
use split::Splitter;

/// What the policies of each kind that a TCP proxy feels say about its destinations.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyRules {
    /// MeshTCPRoute.
    pub tcp_route: Arc<Rules>,
    /// MeshHTTPRoute.
    pub http_route: Arc<Rules>,
    /// MeshTimeout.
    pub timeout: Arc<Rules>,
    /// MeshRetry.
    pub retry: Arc<Rules>,
    /// MeshAccessLog.
    pub access_log: Arc<Rules>,
    /// MeshLoadBalancingStrategy.
    pub load_balancing: Arc<Rules>,
    /// MeshHealthCheck.
    pub health_check: Arc<Rules>,
    /// MeshCircuitBreaker.
    pub circuit_breaker: Arc<Rules>,
}

impl View<'_> {
    /// What the policies of each kind say about the proxy.
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
        }
    }

    /// Plans the proxy: what it dials is read from its Dataplane, or from virtual IPs.
    pub fn route(&self, rules: &ProxyRules) -> Plan {
        let facts = Facts::of(self);
        let mut warnings = Vec::new();
        let dialled = dialled::of_proxy(self, &facts, &mut warnings);
        self.route_with(&facts, rules, dialled, warnings)
    }

    /// Plans the proxy for destinations that somebody else found out, e.g. a control plane that allocates virtual IPs.
    pub fn route_dialled(&self, rules: &ProxyRules, dialled: Vec<Dialled>) -> Plan {
        self.route_with(&Facts::of(self), rules, dialled, Vec::new())
    }

    fn route_with(
        &self,
        facts: &Facts<'_>,
        rules: &ProxyRules,
        dialled: Vec<Dialled>,
        mut warnings: Vec<String>,
    ) -> Plan {
        let ProxyRules {
            tcp_route,
            http_route,
            timeout,
            retry,
            access_log,
            load_balancing,
            health_check,
            circuit_breaker,
        } = rules;
        let of_listeners = [tcp_route, http_route, timeout, retry, access_log];
        for rules in of_listeners.into_iter().chain([load_balancing, health_check, circuit_breaker]) {
            warnings.extend(rules.warnings.iter().cloned());
        }
        let owners = Owners::of(self, rules);
        let clusters = Clusters::new(self, facts, rules);
        let mut splitter = Splitter { view: self, facts, clusters, warnings };
        let pools = &self.snapshot().pools;
        let outbounds: Vec<_> = dialled
            .into_iter()
            .filter_map(|dialled| outbound::plan(self, facts, &owners, &mut splitter, dialled))
            .map(|outbound| pools.outbounds.shared(outbound))
            .collect();
        let gateway_listeners = gateway::listeners(self, rules, &mut splitter);
        let routes = status::of_routes(self, &owners, &outbounds, &gateway_listeners);

        let Splitter { view: _, facts: _, clusters, mut warnings } = splitter;
        let gateway_splits = gateway_listeners.iter().flat_map(|l| &l.hosts).flat_map(|host| &host.split);
        let splits = outbounds.iter().flat_map(|outbound| &outbound.split).chain(gateway_splits);
        let used: BTreeSet<&str> = splits.filter_map(Backend::cluster).collect();
        let mut of_clusters = Vec::new();
        let mut clusters = clusters.finish(&mut of_clusters);
        clusters.retain(|name, _| used.contains(name.as_str()));
        let clusters =
            clusters.into_iter().map(|(name, cluster)| (name, pools.clusters.shared(cluster))).collect();
        warnings.extend(of_clusters);
        warnings.sort();
        warnings.dedup();
        Plan {
            proxy: self.proxy().clone(),
            service: self.dataplane().service().unwrap_or_default().to_owned(),
            zone: facts.zone.clone().unwrap_or_default(),
            address: self.dataplane().address.clone(),
            mtls: facts.mtls.clone(),
            inbounds: inbound::of_proxy(self),
            outbounds,
            gateway_listeners,
            clusters,
            routes,
            warnings,
        }
    }
}
