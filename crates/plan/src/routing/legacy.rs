//! The policies of the tag-based model, which route and treat connections only where a TrafficRoute decides (spec 01 §10,
//! 06 no. 85).

mod rank;

use model::policy::{
    AccessLogFormat, AccessLogTarget, LegacyDestination, LegacyPolicy, TrafficRoute, TrafficSplit,
};
use model::reference::MESH_TAG;
use model::{Kind, Resource, Spec, Tags};

use super::split::Side;
use crate::merge::Destined;
use crate::plan::{AccessLog, Cluster, ConnectionSettings, LogBackend, LogFormat, PolicyOrigin, Sourced};
use crate::view::View;

/// The TrafficRoutes of the mesh of a proxy.
pub(super) struct TrafficRoutes<'v, 'a> {
    view: &'v View<'a>,
    routes: Vec<(&'a Resource, &'a TrafficRoute)>,
}

impl<'v, 'a> TrafficRoutes<'v, 'a> {
    pub(super) fn of(view: &'v View<'a>) -> Self {
        let known = view.profile().has_traffic_route();
        let resources = if known { view.of_kind(Kind::TrafficRoute) } else { &[] };
        let routes = resources.iter().filter_map(|resource| match &resource.spec {
            Spec::TrafficRoute(route) => Some((resource.as_ref(), route)),
            _ => None,
        });
        Self { view, routes: routes.collect() }
    }

    /// Whether the mesh has none.
    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// All of them, with where they were written.
    pub(super) fn origins(&self) -> impl Iterator<Item = PolicyOrigin> + '_ {
        self.routes.iter().map(|(resource, _)| origin(resource))
    }

    /// The best one for an outbound, and its sides.
    pub(super) fn best(&self, tags: &Tags) -> Option<(PolicyOrigin, Vec<Side>)> {
        let selects = |(resource, route): &(&'a Resource, &'a TrafficRoute)| {
            let TrafficRoute { sources, destinations, destination: _ } = route;
            Some((rank::rank(self.view, sources, destinations, tags)?, resource.meta.created))
        };
        let ranked = self.routes.iter().filter_map(|route| Some((selects(route)?, route)));
        let (_, (resource, route)) = ranked.rev().max_by_key(|(rank, _)| *rank)?;
        let origin = origin(resource);
        Some((origin.clone(), sides(&route.destination, tags, &origin)))
    }
}

fn sides(destination: &LegacyDestination, outbound: &Tags, origin: &PolicyOrigin) -> Vec<Side> {
    let side = |weight: u32, destination: &Tags| {
        let fill = |(key, value): (&str, &str)| {
            let value = if value == "*" { outbound.get(key).unwrap_or("*") } else { value };
            (key.to_owned(), value.to_owned())
        };
        let tags: Tags = destination.iter().map(fill).collect();
        let mesh = tags.get(MESH_TAG).map(str::to_owned);
        Side {
            reference: tags.to_string(),
            weight: Some(u64::from(weight)),
            meaning: Destined::Legacy { tags, mesh },
            origin: Some(origin.clone()),
        }
    };
    match destination {
        LegacyDestination::Single(tags) => vec![side(100, tags)],
        LegacyDestination::Split(split) => {
            split.iter().map(|TrafficSplit { weight, destination }| side(*weight, destination)).collect()
        }
    }
}

/// Fills in what the Timeout, Retry and TrafficLog that fit best say, where no newer policy does.
pub(super) fn fill_in(view: &View<'_>, tags: &Tags, settings: &mut ConnectionSettings) {
    let ConnectionSettings { idle_timeout, max_connect_attempts, max_connections: _, access_logs } = settings;
    if idle_timeout.is_none() {
        *idle_timeout =
            best(view, Kind::Timeout, tags).and_then(|(p, origin)| sourced(p.idle_timeout(), origin));
    }
    if max_connect_attempts.is_none() {
        *max_connect_attempts =
            best(view, Kind::Retry, tags).and_then(|(p, origin)| sourced(p.max_connect_attempts(), origin));
    }
    if access_logs.is_empty() {
        access_logs.extend(access_log(view, tags));
    }
}

/// Fills in the connect timeout of a cluster, where no newer policy does.
pub(super) fn fill_in_cluster(view: &View<'_>, tags: &Tags, cluster: &mut Cluster) {
    if cluster.connect_timeout.is_none() {
        cluster.connect_timeout =
            best(view, Kind::Timeout, tags).and_then(|(p, origin)| sourced(p.connect_timeout(), origin));
    }
}

fn access_log(view: &View<'_>, tags: &Tags) -> Option<Sourced<AccessLog>> {
    let (policy, origin) = best(view, Kind::TrafficLog, tags)?;
    let backend = view.mesh()?.logging.backend(policy.logging_backend())?;
    let target = match &backend.target {
        AccessLogTarget::File(path) => LogBackend::File(path.clone()),
        AccessLogTarget::Tcp(address) => LogBackend::Tcp(address.clone()),
        AccessLogTarget::OpenTelemetry(_) => return None,
    };
    let format = backend.format.as_ref().map(|format| match format {
        AccessLogFormat::Plain(line) => LogFormat::Plain(line.clone()),
        AccessLogFormat::Json(members) => LogFormat::Json(members.clone()),
    });
    Some(Sourced { value: AccessLog { backend: target, format }, origin })
}

/// The policy of a kind that fits an outbound best.
fn best<'a>(view: &View<'a>, kind: Kind, tags: &Tags) -> Option<(&'a LegacyPolicy, PolicyOrigin)> {
    let policies = view.of_kind(kind).iter().filter_map(|resource| match &resource.spec {
        Spec::Legacy(policy) => Some((resource.as_ref(), policy)),
        _ => None,
    });
    let ranked = policies.filter_map(|(resource, policy)| {
        let rank = rank::rank(view, &policy.sources, &policy.destinations, tags)?;
        Some(((rank, resource.meta.created), (policy, resource)))
    });
    let (_, (policy, resource)) = ranked.rev().max_by_key(|(rank, _)| *rank)?;
    Some((policy, origin(resource)))
}

fn sourced<T>(value: Option<T>, origin: PolicyOrigin) -> Option<Sourced<T>> {
    value.map(|value| Sourced { value, origin })
}

pub(super) fn origin(resource: &Resource) -> PolicyOrigin {
    PolicyOrigin {
        policy: resource.id(),
        name: resource.meta.name.as_str().to_owned(),
        item: None,
        source: resource.meta.source.clone(),
    }
}
