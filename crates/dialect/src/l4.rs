//! L4 dialect of a plan: the messages of our own proxy, with one listener, route, cluster and endpoint list for
//! each thing that the operator named.
//!
//! What this proxy cannot carry is in the fields made for it, never sent elsewhere:
//!
//! | plan | message |
//! |---|---|
//! | TLS 1.1 at most | `Cluster.undialable` |
//! | a share that nobody takes | `Backend.unavailable` |
//! | an ended TLS session that is not of the mesh, HTTP rules, no backend at all | `Route.refusal` |
//!
//! What it refuses although the plan does not is in [`L4Resources::refusals`] too, and in the notes: nothing that a
//! plan asks for is left out silently. Each part of a plan is destructured without `..`, so that a new one does not
//! compile until it is handled here.

mod cluster;
mod listener;
mod outside;
mod permissions;
mod redirected;
mod refusals;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::Tags;
use plan::{
    Backend as PlanBackend, BackendFate, ClusterKind, Direction, OnWeightChange, Plan, PolicyOrigin,
    PolicyPlace, Route as PlanRoute, SplitSettings, Sticky,
};
use xds::ResourceSet;
use xds::proto::l4::{self, Backend, Cluster, Endpoints, HostName, Listener, Names, Origin, Route, WhenDown};

use crate::redirected::Family;
use listener::millis;
pub use permissions::permissions;
pub use refusals::Refusals;

/// L4 messages of a plan, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct L4Resources {
    /// Listeners: the addresses where connections are accepted.
    pub listeners: BTreeMap<String, Listener>,
    /// Routes: the splits of connections; named after their listener, with matches `<listener>#<match>`.
    pub routes: BTreeMap<String, Route>,
    /// Clusters: the destinations.
    pub clusters: BTreeMap<String, Cluster>,
    /// Endpoints of each cluster.
    pub endpoints: BTreeMap<String, Endpoints>,
    /// Host names of the mesh; absent: there are none for this proxy.
    pub names: Option<Names>,
    /// Refusals of this proxy that the plan does not have.
    pub refusals: Refusals,
    /// Settings that this proxy does not support, with the reason: connections that it refuses, listeners that it
    /// does not open, detectors that it lacks.
    pub notes: Vec<String>,
}

/// Converts a plan to the messages of our L4 proxy.
pub fn lower(plan: &Plan) -> L4Resources {
    let Plan {
        proxy,
        // Our proxy has no versions of the reference.
        profile: _,
        mtls,
        listeners,
        redirected,
        clusters,
        names,
        // Outcomes of policies and warnings are for people.
        routes: _,
        warnings: _,
    } = plan;
    let mtls = mtls.as_deref();
    let names = names.iter().map(|(name, addresses)| HostName {
        name: name.clone(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
    });
    let names = Names { names: names.collect() };
    let mut resources =
        L4Resources { names: Some(names).filter(|names| !names.names.is_empty()), ..L4Resources::default() };
    for listener in listeners {
        listener::listener(listener, proxy, &mut resources);
    }
    let backends = resources.routes.values().flat_map(|route| &route.backends).map(|it| it.cluster.clone());
    let mirrors =
        resources.listeners.values().filter_map(|it| it.mirror.as_ref()).map(|it| it.cluster.clone());
    let used: BTreeSet<String> = backends.chain(mirrors).collect();
    let splits = listeners.iter().flat_map(|listener| listener.routes()).flat_map(|route| &route.split);
    let routed = splits.filter_map(|backend| match &backend.fate {
        BackendFate::Routed { cluster, subset } => Some((cluster, subset)),
        BackendFate::Spilled(_) | BackendFate::Refused(_) => None,
    });
    let mirrors = listeners.iter().filter_map(|listener| listener.settings.mirror.as_ref());
    let mirrors = mirrors.filter_map(|mirror| mirror.value.to.as_ref().ok());
    let planned: BTreeMap<String, (&plan::Cluster, &Tags)> = routed
        .chain(mirrors.map(|(cluster, subset)| (cluster, subset)))
        .filter_map(|(cluster, subset)| {
            Some((destination(cluster, subset), (clusters.get(cluster)?.as_ref(), subset)))
        })
        .filter(|(name, _)| used.contains(name))
        .collect();
    for (name, (cluster, subset)) in planned {
        resources.notes.extend(cluster::notes(cluster));
        let source = unredirected(listeners, cluster);
        let made = cluster::clusters(&name, cluster, subset, mtls);
        resources.share_out(&name, &made);
        for (mut cluster, endpoints) in made {
            cluster.source_address = source.clone().unwrap_or_default();
            if !cluster.undialable.is_empty() {
                resources.not_dialled(&cluster.name, &cluster.undialable);
            }
            resources.endpoints.insert(cluster.name.clone(), endpoints);
            resources.clusters.insert(cluster.name.clone(), cluster);
        }
    }
    if let Some(redirected) = redirected {
        redirected::add(redirected, proxy, &mut resources);
    }
    resources
}

/// Returns the address from which an application is dialled whose connections the kernel redirects: connections
/// from there must not be redirected again. `None`: it is dialled from any.
fn unredirected(listeners: &[Arc<plan::Listener>], cluster: &plan::Cluster) -> Option<String> {
    let is_captured = || {
        listeners.iter().any(|listener| listener.direction == Direction::Inbound && listener.bind.captured)
    };
    let address: IpAddr = cluster.endpoints.first()?.address.parse().ok()?;
    let is_redirected = cluster.kind == ClusterKind::Application && !address.is_loopback() && is_captured();
    is_redirected.then(|| Family::of(address).unredirected().to_owned())
}

/// Returns the name of the endpoints of a cluster with some tags.
fn destination(cluster: &str, subset: &Tags) -> String {
    if subset.is_empty() { cluster.to_owned() } else { format!("{cluster}{{{subset}}}") }
}

impl L4Resources {
    /// Gives each of several clusters that a destination consists of its part of the destination's share, by the
    /// weights of its endpoints.
    fn share_out(&mut self, destination: &str, made: &[(Cluster, Endpoints)]) {
        let weight = |all: &Endpoints| all.endpoints.iter().map(|it| it.weight.max(1)).sum::<u32>();
        let parts = made.iter().map(|(cluster, endpoints)| (&cluster.name, weight(endpoints)));
        let parts: Vec<(&String, u32)> = parts.filter(|(_, weight)| *weight > 0).collect();
        if made.len() < 2 || parts.is_empty() {
            return;
        }
        let whole: u32 = parts.iter().map(|(_, weight)| weight).sum();
        let leads_there = |route: &&mut Route| route.backends.iter().any(|it| it.cluster == destination);
        for route in self.routes.values_mut().filter(leads_there) {
            let part = |backend: &Backend, cluster: &str, weight: u32| Backend {
                cluster: cluster.to_owned(),
                weight: backend.weight.saturating_mul(weight),
                ..backend.clone()
            };
            let split = route.backends.iter().flat_map(|backend| match backend.cluster == destination {
                true => parts.iter().map(|(name, weight)| part(backend, name, *weight)).collect(),
                false => vec![part(backend, &backend.cluster, whole)],
            });
            route.backends = split.collect();
        }
    }

    /// Encodes the messages as bytes, ready for discovery.
    pub fn to_resource_set(&self) -> ResourceSet {
        let Self { listeners, routes, clusters, endpoints, names, refusals: _, notes: _ } = self;
        let mut set = ResourceSet::default();
        listeners.iter().for_each(|(name, message)| set.insert_message(name.clone(), message));
        routes.iter().for_each(|(name, message)| set.insert_message(name.clone(), message));
        clusters.iter().for_each(|(name, message)| set.insert_message(name.clone(), message));
        endpoints.iter().for_each(|(name, message)| set.insert_message(name.clone(), message));
        names.iter().for_each(|message| set.insert_message(Names::ONLY, message));
        set
    }
}

fn origin(from: &PolicyOrigin, rule: String) -> Origin {
    let PolicyPlace { policy, name, list: _, item: _, source: _ } = &**from;
    Origin { kind: policy.kind.to_string(), mesh: policy.mesh.clone(), name: name.clone(), rule }
}

/// Converts a route; backends whose share goes to others, or is 0, are left out. `refusal`: the reason why this
/// proxy cannot serve it.
fn route(name: &str, route: &PlanRoute, refusal: Option<&str>) -> Route {
    let PlanRoute { owner, rule: _, session: _, split, settings, refusal: planned, considered: _ } = route;
    let SplitSettings { sticky, existing, retry_other_side, drain_grace } = settings;
    let split = if refusal.is_some() { &[] } else { split.as_slice() };
    let backends: Vec<Backend> = split.iter().filter_map(backend).collect();
    let refusal = match refusal.or(planned.as_deref()) {
        Some(refusal) => refusal.to_owned(),
        None if backends.is_empty() => "no backend is left that could take connections".to_owned(),
        None => String::new(),
    };
    let sticky = match sticky.as_ref().map(|said| said.value).unwrap_or_default() {
        Sticky::None => l4::Sticky::None,
        Sticky::SourceIp => l4::Sticky::SourceIp,
    };
    let existing = match existing.as_ref().map(|said| said.value).unwrap_or_default() {
        OnWeightChange::Keep => l4::Existing::Keep,
        OnWeightChange::DrainExcess => l4::Existing::DrainExcess,
        OnWeightChange::Close => l4::Existing::Close,
    };
    Route {
        name: name.to_owned(),
        origin: owner.decided_by().map(|policy| origin(policy, route.place())),
        backends,
        refusal,
        sticky: sticky.into(),
        existing: existing.into(),
        retry_other_side: retry_other_side.as_ref().is_some_and(|retry| retry.value),
        drain_grace_ms: drain_grace.as_ref().map(|grace| millis(grace.value)).unwrap_or_default(),
    }
}

fn backend(backend: &PlanBackend) -> Option<Backend> {
    let PlanBackend { reference, weight, fate, origin: _, weighed_by: _, when_unavailable: _ } = backend;
    let (cluster, unavailable) = match fate {
        BackendFate::Routed { cluster, subset } => (destination(cluster, subset), String::new()),
        BackendFate::Refused(why) => (String::new(), format!("{reference}: {why}")),
        BackendFate::Spilled(_) => return None,
    };
    let when_down = if backend.spills_when_down() { WhenDown::Spill } else { WhenDown::Refuse };
    (*weight > 0).then(|| Backend {
        reference: reference.clone(),
        weight: *weight,
        cluster,
        unavailable,
        when_down: when_down.into(),
    })
}
