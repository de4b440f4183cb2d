//! Clusters and their endpoints, as far as a proxy that speaks plaintext TCP can dial them.

mod settings;

use model::Tags;
use plan::{Cluster as PlanCluster, ClusterKind, DirectAccess, Endpoint as PlanEndpoint, ExternalTls, Mtls};
use plan::{ProxyTls, Via};
use xds::proto::l4::{Cluster, Endpoint, Endpoints};

use super::listener::millis;
use super::mesh_tls;
pub(super) use settings::notes;

/// A cluster, and those of its endpoints that have some tags and can be dialled.
pub(super) fn cluster(
    name: &str,
    cluster: &PlanCluster,
    subset: &Tags,
    mtls: Option<&Mtls>,
) -> (Cluster, Endpoints) {
    let has_tags = |endpoint: &&PlanEndpoint| subset.matches(&endpoint.tags);
    let (endpoints, undialable) = match dialable(cluster, mtls) {
        Ok(endpoints) => (endpoints.into_iter().filter(has_tags).map(endpoint).collect(), String::new()),
        Err(why) => (Vec::new(), why),
    };
    let message = Cluster {
        name: name.to_owned(),
        connect_timeout_ms: cluster.connect_timeout.as_ref().map(|t| millis(t.value)).unwrap_or_default(),
        undialable,
        ..settings::of(&cluster.settings)
    };
    (message, Endpoints { cluster: name.to_owned(), endpoints })
}

/// The endpoints that plaintext reaches, or why there is none. Where only some need TLS, the others take their place, as
/// they would in a mesh without mTLS (spec 06 no. 65).
fn dialable<'a>(cluster: &'a PlanCluster, mtls: Option<&Mtls>) -> Result<Vec<&'a PlanEndpoint>, String> {
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
            None => sockets(endpoints.iter(), service),
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
    let Some(tls) = tls else { return sockets(endpoints.iter(), service) };
    // How the endpoints prove themselves matters to who dials them by TLS.
    let ProxyTls { sni: _, sni_of_zones: _, peers: _, mesh, optional } = tls;
    if !optional {
        return Err(mesh_tls::is_required(mesh, mtls));
    }
    let plain: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.via == Via::Direct).collect();
    if plain.is_empty() && !endpoints.is_empty() {
        return Err(format!(
            "every endpoint of {service} is behind a zone proxy, which routes by the SNI of mesh TLS{}; this proxy does not speak it yet",
            mesh_tls::issuer(mtls)
        ));
    }
    sockets(plain.into_iter(), service)
}

/// Why a destination outside the mesh is not dialled.
fn wants_tls(service: &str, ExternalTls { server_name, verify: _ }: &ExternalTls) -> String {
    format!("{service} wants TLS with the server name {server_name}, which this proxy does not originate")
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
