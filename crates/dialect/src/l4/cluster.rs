//! Clusters and their endpoints, as far as a proxy that speaks TCP, and the TLS of its mesh, can dial them.

mod settings;

use model::Tags;
use plan::{Cluster as PlanCluster, ClusterKind, DirectAccess, Endpoint as PlanEndpoint, ExternalTls, Mtls};
use xds::proto::l4::{ClientTls, Cluster, Endpoint, Endpoints};

use super::listener::millis;
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
    let (endpoints, tls, undialable) = match dialable(cluster, mtls) {
        Ok((endpoints, tls)) => {
            (endpoints.into_iter().filter(has_tags).map(endpoint).collect(), tls, String::new())
        }
        Err(why) => (Vec::new(), None, why),
    };
    let message = Cluster {
        name: name.to_owned(),
        connect_timeout_ms: cluster.connect_timeout.as_ref().map(|t| millis(t.value)).unwrap_or_default(),
        undialable,
        tls,
        ..settings::of(&cluster.settings)
    };
    (message, Endpoints { cluster: name.to_owned(), endpoints })
}

/// The endpoints that can be dialled, and how those of the mesh are spoken to by TLS; or why there is none.
fn dialable<'a>(
    cluster: &'a PlanCluster,
    mtls: Option<&Mtls>,
) -> Result<(Vec<&'a PlanEndpoint>, Option<ClientTls>), String> {
    let PlanCluster {
        name: _,
        service,
        kind,
        subset: _,
        tls,
        connect_timeout: _,
        settings: _,
        endpoints,
        direct,
        resource: _,
    } = cluster;
    if let Some(DirectAccess { endpoints, tls }) = direct {
        return match tls {
            None => Ok((sockets(endpoints.iter(), service)?, None)),
            Some(tls) => Err(wants_tls(service, tls)),
        };
    }
    match kind {
        ClusterKind::External { protocol: _, tls: Some(tls) } => return Err(wants_tls(service, tls)),
        ClusterKind::Application
        | ClusterKind::Zone
        | ClusterKind::Mesh
        | ClusterKind::Gateway
        | ClusterKind::Egress { .. }
        | ClusterKind::External { .. } => {}
    }
    let Some(tls) = tls else { return Ok((sockets(endpoints.iter(), service)?, None)) };
    Ok((sockets(endpoints.iter(), service)?, Some(begun(tls, mtls)?)))
}

/// Why a destination outside the mesh is not dialled.
fn wants_tls(service: &str, tls: &ExternalTls) -> String {
    let ExternalTls { server_name, verify: _, client_certificate: _ } = tls;
    let named = server_name.as_ref().map_or_else(String::new, |name| format!(" with the server name {name}"));
    format!("{service} wants TLS{named}, which this proxy does not originate")
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
