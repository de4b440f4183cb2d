//! Clusters and their endpoints, as far as a proxy that speaks TCP and TLS can dial them.

mod settings;

use model::Tags;
use plan::{Cluster as PlanCluster, DirectAccess, Endpoint as PlanEndpoint, ExternalTls, Mtls};
use xds::proto::l4::{ClientTls, Cluster, Endpoint, Endpoints, OutsideTls};

use super::listener::millis;
use super::outside::to_outside;
use super::tls::begun;
pub(super) use settings::notes;

/// Converts a cluster with those of its endpoints that have some tags and can be dialled. Endpoints with different
/// TLS become clusters of their own, after the first.
pub(super) fn clusters(
    name: &str,
    cluster: &PlanCluster,
    subset: &Tags,
    mtls: Option<&Mtls>,
) -> Vec<(Cluster, Endpoints)> {
    let has_tags = |endpoint: &&PlanEndpoint| subset.matches(&endpoint.tags);
    let groups = match dialable(cluster, mtls) {
        Ok(groups) => groups,
        Err(why) => vec![(Vec::new(), Err(why))],
    };
    let made = groups.into_iter().enumerate().map(|(at, (endpoints, spoken))| {
        let name = if at == 0 { name.to_owned() } else { format!("{name}#{}", at + 1) };
        let endpoints = endpoints.into_iter().filter(has_tags).map(endpoint).collect();
        one(name, cluster, spoken, endpoints)
    });
    made.collect()
}

fn one(
    name: String,
    cluster: &PlanCluster,
    spoken: Result<EndpointTls, String>,
    endpoints: Vec<Endpoint>,
) -> (Cluster, Endpoints) {
    let (spoken, undialable) = match spoken {
        Ok(spoken) => (spoken, String::new()),
        Err(why) => (EndpointTls::Plaintext, why),
    };
    let endpoints = if undialable.is_empty() { endpoints } else { Vec::new() };
    let (tls, outside_tls) = match spoken {
        EndpointTls::Plaintext => (None, None),
        EndpointTls::Mesh(tls) => (Some(tls), None),
        EndpointTls::Outside(tls) => (None, Some(tls)),
    };
    let message = Cluster {
        name: name.clone(),
        connect_timeout_ms: cluster.connect_timeout.as_ref().map(|t| millis(t.value)).unwrap_or_default(),
        undialable,
        tls,
        outside_tls,
        ..settings::of(&cluster.settings)
    };
    (message, Endpoints { cluster: name, endpoints })
}

/// TLS to endpoints.
enum EndpointTls {
    Plaintext,
    /// TLS of the mesh.
    Mesh(ClientTls),
    /// TLS of a service outside the mesh.
    Outside(OutsideTls),
}

/// Endpoints that can be dialled, and their TLS, or the reason why they cannot be dialled.
type Group<'a> = (Vec<&'a PlanEndpoint>, Result<EndpointTls, String>);

/// Groups the endpoints that can be dialled by their TLS; or returns the reason why there is none.
fn dialable<'a>(cluster: &'a PlanCluster, mtls: Option<&Mtls>) -> Result<Vec<Group<'a>>, String> {
    let PlanCluster {
        name: _,
        service,
        // sort of destination, and its TLS outside the mesh
        kind: _,
        subset: _,
        tls,
        connect_timeout: _,
        settings: _,
        endpoints,
        direct,
        resource: _,
    } = cluster;
    let endpoints = direct.as_ref().map_or(endpoints, |DirectAccess { endpoints, tls: _ }| endpoints);
    let sockets = sockets(endpoints.iter(), service)?;
    let (Some(outside), None) = (cluster.to_outside(), tls.as_ref().filter(|_| direct.is_none())) else {
        let spoken =
            tls.as_ref().filter(|_| direct.is_none()).map(|tls| begun(tls, mtls).map(EndpointTls::Mesh));
        return Ok(vec![(sockets, spoken.unwrap_or(Ok(EndpointTls::Plaintext)))]);
    };
    let mut groups: Vec<(Option<&ExternalTls>, Vec<&PlanEndpoint>)> = Vec::new();
    for endpoint in sockets {
        let tls = outside.to(&endpoint.offered_by);
        match groups.iter_mut().find(|(other, _)| *other == tls) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => groups.push((tls, vec![endpoint])),
        }
    }
    if groups.is_empty() {
        groups.push((outside.to_all().ok().flatten(), Vec::new()));
    }
    let spoken = |tls: Option<&ExternalTls>| match tls {
        Some(tls) => to_outside(tls).map(EndpointTls::Outside),
        None => Ok(EndpointTls::Plaintext),
    };
    Ok(groups.into_iter().map(|(tls, endpoints)| (endpoints, spoken(tls))).collect())
}

/// Returns the endpoints that have an address and a port.
fn sockets<'a>(
    endpoints: impl ExactSizeIterator<Item = &'a PlanEndpoint>,
    service: &str,
) -> Result<Vec<&'a PlanEndpoint>, String> {
    let all = endpoints.len();
    let sockets: Vec<_> = endpoints.filter(|endpoint| (1..=65535).contains(&endpoint.port)).collect();
    if sockets.is_empty() && all > 0 {
        return Err(format!("every endpoint of {service} is a Unix socket, which this proxy does not dial"));
    }
    Ok(sockets)
}

fn endpoint(endpoint: &PlanEndpoint) -> Endpoint {
    let PlanEndpoint {
        priority,
        zone,
        address,
        port,
        weight,
        group: _,
        tags: _,
        labels: _,
        offered_by: _,
        via: _,
    } = endpoint;
    Endpoint {
        address: address.clone(),
        port: *port,
        weight: *weight,
        priority: *priority,
        zone: zone.clone().unwrap_or_default(),
    }
}
