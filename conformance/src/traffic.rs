//! Check `traffic`: which fraction of connections each named backend gets in the long run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{ProxyKey, Resource, Tags};
use plan::{Backend, Cluster, Direction, Endpoint, Listener, Match, Plan, Snapshot, plan, shares};
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::proxy;
use crate::request::{Failure, Request};

pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let steps = request.params["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let later: BTreeSet<&str> = steps.iter().flat_map(|step| names(step, "apply")).collect();
    let mut absent = later.clone();
    let mut answers = Vec::new();
    for step in steps {
        names(step, "apply").for_each(|name| _ = absent.remove(name));
        absent.extend(names(step, "delete"));
        let is_there = |resource: &&Arc<Resource>| {
            !absent.contains(format!("{}/{}", resource.kind(), resource.meta().name).as_str())
        };
        let there = resources.listed.iter().filter(is_there).cloned();
        let snapshot = Snapshot::new(there, resources.snapshot.context().clone());
        let traffic = step["traffic"].as_array().map(Vec::as_slice).unwrap_or_default();
        let traffic: Result<Vec<Value>, Failure> =
            traffic.iter().map(|flow| flow_shares(&snapshot, flow, &request.params["backends"])).collect();
        answers.push(json!({ "traffic": traffic? }));
    }
    Ok(json!({ "steps": answers }))
}

fn names<'s>(step: &'s Value, key: &str) -> impl Iterator<Item = &'s str> {
    step[key].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn flow_shares(snapshot: &Snapshot, flow: &Value, backends: &Value) -> Result<Value, Failure> {
    let client = flow["client"].as_str().unwrap_or_default();
    let key = snapshot
        .proxies()
        .find(|proxy| proxy.name == client)
        .ok_or_else(|| Failure::Error(format!("no Dataplane is called {client}")))?;
    let plan =
        plan(snapshot, &key.clone().into()).ok_or_else(|| Failure::Error(format!("{client} has no plan")))?;
    let named = Named::of(backends, &key);
    let mut totals: BTreeMap<String, f64> = BTreeMap::new();
    let split = split_of(&plan, flow)?;
    for (backend, share) in split.iter().zip(shares(split)) {
        let Some(cluster) = backend.cluster().and_then(|name| plan.clusters.get(name)) else { continue };
        let takers = first_choice(cluster);
        let weights: f64 = takers.iter().map(|endpoint| f64::from(endpoint.weight.max(1))).sum();
        for endpoint in takers {
            let name = named.name(cluster, endpoint);
            *totals.entry(name).or_default() += share * f64::from(endpoint.weight.max(1)) / weights;
        }
    }
    Ok(json!({ "shares": totals }))
}

/// The split that a flow takes: of an outbound, or of a gateway listener under a hostname.
fn split_of<'p>(plan: &'p Plan, flow: &Value) -> Result<&'p [Backend], Failure> {
    let port = |place: &Value| place["port"].as_u64();
    let listener = |wanted: u64, outbound: bool| {
        let is_meant = |it: &&Arc<Listener>| {
            u64::from(it.bind.port) == wanted
                && it.direction != Direction::Inbound
                && it.destination().is_some() == outbound
        };
        plan.listeners.iter().find(is_meant).map(|listener| listener.routes.as_slice())
    };
    if let Some(wanted) = port(&flow["outbound"]) {
        let Some([(_, route), ..]) = listener(wanted, true) else {
            return Err(Failure::Error(format!("no outbound has port {wanted}: {:?}", plan.warnings)));
        };
        return Ok(&route.split);
    }
    let place = &flow["listener"];
    let hostname = ["hostname", "sni", "serverName"].iter().find_map(|key| place[*key].as_str());
    let serves = |claimed: &Match| match (hostname, claimed.hostname()) {
        (None, _) | (_, "*") => true,
        (Some(name), host) => {
            host == name || host.strip_prefix('*').is_some_and(|suffix| name.ends_with(suffix))
        }
    };
    let mut routes = listener(port(place).unwrap_or_default(), false).into_iter().flatten();
    let found = routes.find(|(claimed, _)| serves(claimed));
    Ok(found.map(|(_, route)| route.split.as_slice()).unwrap_or_default())
}

/// The endpoints that take connections while all are healthy.
fn first_choice(cluster: &Cluster) -> Vec<&Endpoint> {
    let direct = cluster.direct.as_ref().map(|direct| direct.endpoints.as_slice()).unwrap_or_default();
    let endpoints = if cluster.endpoints.is_empty() { direct } else { &cluster.endpoints };
    let first = endpoints.iter().map(|endpoint| endpoint.priority).min();
    endpoints.iter().filter(|endpoint| Some(endpoint.priority) == first).collect()
}

/// The backends that a case has names for.
struct Named {
    backends: Vec<(String, String, Tags)>,
}

impl Named {
    fn of(backends: &Value, client: &ProxyKey) -> Self {
        let describe = |(name, backend): (&String, &Value)| {
            let text = |key: &str| backend[key].as_str().unwrap_or_default();
            let is_zonal = matches!(text("type"), "ZoneIngress" | "ZoneEgress");
            let mesh = backend["mesh"].as_str().unwrap_or(client.mesh.as_str());
            let resource = if is_zonal {
                format!("{} {}", text("type"), text("name"))
            } else {
                format!("{} {mesh}/{}", text("type"), text("name"))
            };
            let tags = backend["tags"].as_object().into_iter().flatten();
            let tags = tags.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
            (name.clone(), resource, tags.collect())
        };
        Self { backends: backends.as_object().into_iter().flatten().map(describe).collect() }
    }

    /// The name of who takes a connection: of the endpoint, or else of the service behind it; what has no name is called
    /// as it describes itself.
    fn name(&self, cluster: &Cluster, endpoint: &Endpoint) -> String {
        let by = |resource: &str| {
            self.backends
                .iter()
                .find(|(_, named, tags)| named == resource && tags.matches(&endpoint.tags))
                .map(|(name, _, _)| name.clone())
        };
        by(&endpoint.offered_by)
            .or_else(|| by(cluster.resource.as_deref()?))
            .unwrap_or_else(|| endpoint.offered_by.clone())
    }
}
