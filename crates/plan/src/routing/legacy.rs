//! Policies of the tag-based model, which route and treat connections only where a TrafficRoute decides (spec 01
//! §10, 06 no. 85).

mod fitting;

use fitting::Fitting;
pub(super) use fitting::best;
use model::policy::{
    AccessLogFormat, AccessLogTarget, LegacyDestination, LegacyPolicy, TrafficRoute, TrafficSplit,
};
use model::reference::MESH_TAG;
use model::topology::Mesh;
use model::{Kind, Spec, Tags};

use super::split::Side;
use crate::merge::Destined;
use crate::plan::{AccessLog, Cluster, ConnectionSettings, LogBackend, LogFormat, PolicyOrigin, Sourced};
use crate::view::View;

/// Policies of the tag-based model that select a proxy.
pub(super) struct Legacy<'a> {
    mesh: Option<&'a Mesh>,
    all_routes: Vec<PolicyOrigin>,
    routes: Fitting<'a, TrafficRoute>,
    timeouts: Fitting<'a, LegacyPolicy>,
    retries: Fitting<'a, LegacyPolicy>,
    logs: Fitting<'a, LegacyPolicy>,
}

impl<'a> Legacy<'a> {
    pub(super) fn of(view: &View<'a>) -> Self {
        let known = view.profile().has_traffic_route();
        let resources = if known { view.of_kind(Kind::TrafficRoute) } else { &[] };
        let routes = resources.iter().filter_map(|resource| match resource.spec() {
            Spec::TrafficRoute(route) => Some((resource.as_ref(), route)),
            _ => None,
        });
        let routes: Vec<_> = routes.collect();
        let policies = |kind: Kind| {
            let policies = view.of_kind(kind).iter().filter_map(|resource| match resource.spec() {
                Spec::Legacy(policy) => Some((resource.as_ref(), policy)),
                _ => None,
            });
            Fitting::new(view, policies.map(|(r, p)| (r, p, p.sources.as_slice(), p.destinations.as_slice())))
        };
        Self {
            mesh: view.mesh(),
            all_routes: routes.iter().map(|(resource, _)| PolicyOrigin::of(resource)).collect(),
            timeouts: policies(Kind::Timeout),
            retries: policies(Kind::Retry),
            logs: policies(Kind::TrafficLog),
            routes: Fitting::new(
                view,
                routes.into_iter().map(|(r, p)| (r, p, p.sources.as_slice(), p.destinations.as_slice())),
            ),
        }
    }

    /// Returns `true` if the mesh has a TrafficRoute, whatever it selects.
    pub(super) fn has_routes(&self) -> bool {
        !self.all_routes.is_empty()
    }

    /// TrafficRoutes of the mesh.
    pub(super) fn routes(&self) -> &[PolicyOrigin] {
        &self.all_routes
    }

    /// Returns the TrafficRoute that fits an outbound best, and the sides of its split.
    pub(super) fn route(&self, tags: &Tags) -> Option<(PolicyOrigin, Vec<Side>)> {
        let (resource, route) = self.routes.best(tags)?;
        let origin = PolicyOrigin::of(resource);
        Some((origin.clone(), sides(&route.destination, tags, &origin)))
    }

    /// Sets the values of the Timeout, Retry and TrafficLog that fit best, where no newer policy sets them.
    pub(super) fn fill_in(&self, tags: &Tags, settings: &mut ConnectionSettings) {
        let ConnectionSettings { idle_timeout, max_connect_attempts, access_logs, .. } = settings;
        if idle_timeout.is_none() {
            *idle_timeout = said(&self.timeouts, tags, |policy| policy.timeout()?.idle);
        }
        if max_connect_attempts.is_none() {
            *max_connect_attempts = said(&self.retries, tags, LegacyPolicy::max_connect_attempts);
        }
        if access_logs.is_empty() {
            access_logs.extend(self.access_log(tags));
        }
    }

    /// Sets the connect timeout of a cluster, where no newer policy sets it.
    pub(super) fn fill_in_cluster(&self, tags: &Tags, cluster: &mut Cluster) {
        if cluster.connect_timeout.is_none() {
            cluster.connect_timeout = said(&self.timeouts, tags, |policy| policy.timeout()?.connect);
        }
    }

    fn access_log(&self, tags: &Tags) -> Option<Sourced<AccessLog>> {
        let (resource, policy) = self.logs.best(tags)?;
        let backend = self.mesh?.logging.backend(policy.logging_backend())?;
        let target = match &backend.target {
            AccessLogTarget::File(path) => LogBackend::File(path.clone()),
            AccessLogTarget::Tcp(address) => LogBackend::Tcp(address.clone()),
            AccessLogTarget::OpenTelemetry(_) => return None,
        };
        let format = backend.format.as_ref().map(|format| match format {
            AccessLogFormat::Plain(line) => LogFormat::Plain(line.clone()),
            AccessLogFormat::Json(members) => LogFormat::Json(members.clone()),
        });
        Some(Sourced { value: AccessLog { backend: target, format }, origin: PolicyOrigin::of(resource) })
    }
}

/// Returns a value of the policy that fits best.
fn said<T>(
    policies: &Fitting<'_, LegacyPolicy>,
    tags: &Tags,
    read: fn(&LegacyPolicy) -> Option<T>,
) -> Option<Sourced<T>> {
    let (resource, policy) = policies.best(tags)?;
    read(policy).map(|value| Sourced { value, origin: PolicyOrigin::of(resource) })
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
            weighed_by: None,
        }
    };
    match destination {
        LegacyDestination::Single(tags) => vec![side(100, tags)],
        LegacyDestination::Split(split) => {
            split.iter().map(|TrafficSplit { weight, destination }| side(*weight, destination)).collect()
        }
    }
}
