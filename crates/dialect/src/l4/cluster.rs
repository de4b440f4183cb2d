//! Clusters and their endpoints, as far as a proxy that speaks TCP and TLS can dial them.

mod settings;

use model::Tags;
use plan::{Cluster as PlanCluster, DirectAccess, Endpoint as PlanEndpoint, Mtls};
use xds::proto::l4::{ClientTls, Cluster, Endpoint, Endpoints, OutsideTls};

use super::listener::millis;
use super::outside::to_outside;
use super::tls::begun;
pub(super) use settings::notes;

/// A cluster, and those of its endpoints that have some tags and can be dialled.
pub(super) fn cluster(
    name: &str,
    cluster: &PlanCluster,
    subset: &Tags,
    mtls: Option<&Mtls>,
) -> (Cluster, Endpoints) {
    let has_tags = |endpoint: &&PlanEndpoint| subset.matches(&endpoint.tags);
    let (endpoints, spoken, undialable) = match dialable(cluster, mtls) {
        Ok((endpoints, spoken)) => {
            (endpoints.into_iter().filter(has_tags).map(endpoint).collect(), spoken, String::new())
        }
        Err(why) => (Vec::new(), Spoken::Plaintext, why),
    };
    let (tls, outside_tls) = match spoken {
        Spoken::Plaintext => (None, None),
        Spoken::Mesh(tls) => (Some(tls), None),
        Spoken::Outside(tls) => (None, Some(tls)),
    };
    let message = Cluster {
        name: name.to_owned(),
        connect_timeout_ms: cluster.connect_timeout.as_ref().map(|t| millis(t.value)).unwrap_or_default(),
        undialable,
        tls,
        outside_tls,
        ..settings::of(&cluster.settings)
    };
    (message, Endpoints { cluster: name.to_owned(), endpoints })
}

/// What is spoken to endpoints first.
enum Spoken {
    Plaintext,
    /// TLS of the mesh.
    Mesh(ClientTls),
    /// TLS of a service outside of it.
    Outside(OutsideTls),
}

/// The endpoints that can be dialled, and how they are spoken to; or why there is none.
fn dialable<'a>(
    cluster: &'a PlanCluster,
    mtls: Option<&Mtls>,
) -> Result<(Vec<&'a PlanEndpoint>, Spoken), String> {
    let PlanCluster {
        name: _,
        service,
        // whether it is outside the mesh, and how it is dialled then
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
    let spoken = match (cluster.to_outside(), tls) {
        (Some(tls), _) => Spoken::Outside(to_outside(tls)?),
        (None, Some(tls)) if direct.is_none() => Spoken::Mesh(begun(tls, mtls)?),
        (None, Some(_) | None) => Spoken::Plaintext,
    };
    Ok((sockets(endpoints.iter(), service)?, spoken))
}

/// The endpoints that have an address and a port.
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
    let PlanEndpoint { priority, zone, address, port, weight, tags: _, labels: _, offered_by: _, via: _ } =
        endpoint;
    Endpoint {
        address: address.clone(),
        port: *port,
        weight: *weight,
        priority: *priority,
        zone: zone.clone().unwrap_or_default(),
    }
}
