//! Routes by server name, and the clusters behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::reference::{SERVICE_TAG, ZONE_TAG};
use model::topology::Protocol;
use model::{Profile, Tags};

use super::destinations::Destination;
use crate::plan::{
    Backend, BackendFate, Bind, Cluster, ClusterKind, ConnectionSettings, Direction, Endpoint, Hop, Listener,
    ListenerTls, Match, Naming, Plan, PolicyOrigin, Proxy, Route, Terminated, TlsTermination, Warning,
};
use crate::routing::facts::Facts;
use crate::routing::sni;

/// Routes by server name, in the order in which they were added, and the clusters behind them.
#[derive(Default)]
pub(super) struct Chains {
    pub(super) routes: Vec<(Match, Route)>,
    pub(super) clusters: BTreeMap<String, Cluster>,
    pub(super) warnings: Vec<Warning>,
    taken: BTreeSet<String>,
}

impl Chains {
    /// No chains yet, in a proxy that has clusters of its own.
    pub(super) fn beside(own: &BTreeMap<String, Cluster>) -> Self {
        Self { taken: own.keys().cloned().collect(), ..Self::default() }
    }

    /// Returns a cluster name that is free. A cluster that the proxy dials for its own application has other
    /// settings, and keeps its name.
    fn free(&self, name: String) -> String {
        if self.taken.contains(&name) { format!("zone:{name}") } else { name }
    }

    /// Returns `true` if a server name has a route already: the first route that claims it stays.
    pub(super) fn has(&self, server_name: &str) -> bool {
        self.routes.iter().any(|(claimed, _)| claimed.hostname() == server_name)
    }

    /// Adds a route for a server name; `by`: the resource behind it.
    pub(super) fn add(
        &mut self,
        server_name: String,
        session: TlsTermination,
        cluster: String,
        subset: Tags,
        by: PolicyOrigin,
    ) {
        let backend = Backend {
            reference: server_name.clone(),
            weight: 1,
            fate: BackendFate::Routed { cluster, subset },
            origin: Some(by),
            weighed_by: None,
            when_unavailable: None,
        };
        let route = Route { session: Some(session), ..Route::to(backend) };
        self.routes.push((Match::server_name(server_name), route));
    }

    /// Adds the tag sets by which a service that is passed on is dialled; `by`: the resource that offers it. They
    /// choose among its endpoints by the tags that not all of them have. Returns its cluster, which there is if one of
    /// them was free.
    pub(super) fn pass_on(
        &mut self,
        facts: &Facts<'_>,
        service: &str,
        destinations: &[Destination],
        mut endpoints: Vec<Endpoint>,
        by: &PolicyOrigin,
    ) -> Option<&mut Cluster> {
        let name = format!("{}:{service}", facts.mesh_name);
        let mut subsets = BTreeSet::new();
        let before = self.routes.len();
        for destination in Destination::of_service(destinations, service) {
            let mut tags = destination.tags.clone();
            tags.remove(SERVICE_TAG);
            if destination.is_for_all() {
                subsets.insert(keys(&tags));
            }
            let sni = sni::of_tags(service, &tags, facts.mesh_name);
            if self.has(&sni) {
                continue;
            }
            let matters = |key: &str, value: &str| {
                value != "*" && endpoints.iter().any(|endpoint| !carries(facts, endpoint, key, value))
            };
            let subset: Tags = tags.iter().filter(|(key, value)| matters(key, value)).collect();
            subsets.insert(keys(&subset));
            let by = destination.by.as_ref().unwrap_or(by).clone();
            self.add(sni, TlsTermination::Passthrough, name.clone(), subset, by);
        }
        if self.routes.len() > before {
            subsets.retain(|keys| !keys.is_empty());
            endpoints.sort_by(Endpoint::by_place);
            let kind = ClusterKind::Zone { subsets };
            let cluster = Cluster::plain(name.clone(), service.to_owned(), kind, endpoints);
            self.clusters.insert(name.clone(), cluster);
        }
        self.clusters.get_mut(&name)
    }

    /// Adds a port of a real service that is passed on; `by`: the service.
    pub(super) fn pass_on_service(
        &mut self,
        server_name: String,
        name: String,
        resource: String,
        mut endpoints: Vec<Endpoint>,
        by: PolicyOrigin,
    ) {
        endpoints.sort_by(Endpoint::by_place);
        let name = self.free(name);
        let kind = ClusterKind::Zone { subsets: BTreeSet::new() };
        let cluster = Cluster::plain(name.clone(), name.clone(), kind, endpoints);
        self.clusters.insert(name.clone(), Cluster { resource: Some(resource), ..cluster });
        self.add(server_name, TlsTermination::Passthrough, name, Tags::default(), by);
    }

    /// Adds a service outside the mesh, by its server names and the resource behind each: TLS of the mesh ends
    /// here, and clients with permission are passed on. Without a free server name it has no cluster, unless the
    /// profile's egresses have clusters for all services.
    pub(super) fn let_out(
        &mut self,
        profile: Profile,
        server_names: impl IntoIterator<Item = (String, PolicyOrigin)>,
        cluster: Cluster,
        terminated: Terminated,
    ) {
        let (before, terminated) = (self.routes.len(), Arc::new(terminated));
        let cluster = Cluster { name: self.free(cluster.name.clone()), ..cluster };
        for (server_name, by) in server_names {
            if !self.has(&server_name) {
                let session = TlsTermination::Mtls(Arc::clone(&terminated));
                self.add(server_name, session, cluster.name.clone(), Tags::default(), by);
            }
        }
        if self.routes.len() > before || profile.egress_knows_everything() {
            self.clusters.insert(cluster.name.clone(), cluster);
        }
    }

    /// Returns the listener of the routes.
    pub(super) fn listener(&mut self, name: String, unified: bool, address: &str, port: u16) -> Listener {
        Listener {
            name,
            bind: Bind::opened(address, port),
            direction: Direction::Zone,
            service: String::new(),
            protocol: Protocol::Tls,
            accepts: ListenerTls::ServerName,
            settings: ConnectionSettings::default(),
            routes: std::mem::take(&mut self.routes),
            naming: Naming { unified, ..Naming::default() },
        }
    }

    /// Returns the plan of a proxy with this one listener, or none.
    pub(super) fn plan(self, proxy: Proxy, profile: Profile, listener: Option<Listener>) -> Plan {
        let Self { routes: _, clusters, mut warnings, taken: _ } = self;
        warnings.sort();
        Plan {
            proxy,
            profile,
            mtls: None,
            listeners: listener.into_iter().map(Arc::new).collect(),
            redirected: None,
            names: BTreeMap::new(),
            clusters: clusters.into_iter().map(|(name, cluster)| (name, Arc::new(cluster))).collect(),
            routes: Vec::new(),
            warnings,
        }
    }
}

fn keys(tags: &Tags) -> Vec<String> {
    tags.iter().map(|(key, _)| key.to_owned()).collect()
}

/// Returns `true` if an endpoint has a tag. An endpoint of this zone has its zone tag, even if its Dataplane does
/// not declare it.
fn carries(facts: &Facts<'_>, endpoint: &Endpoint, key: &str, value: &str) -> bool {
    match endpoint.tags.get(key) {
        Some(own) => own == value,
        None => key == ZONE_TAG && endpoint.via == Hop::Direct && facts.zone.as_deref() == Some(value),
    }
}
