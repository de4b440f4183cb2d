//! Settings declared by labels: of a route, of a destination, of the proxy itself, and of the Mesh as a fallback.

use std::collections::BTreeSet;

use model::declared::{DataPath, Declared, ProxyProtocol};
use model::{Kind, Resource, ResourceId};

use crate::plan::{Cluster, Hop, PolicyOrigin, Sourced, SplitSettings, Warning};
use crate::view::View;

/// Parser of a label.
type Read<'a, T> = fn(Declared<'a>) -> Option<T>;

/// Returns the setting that the labels of a resource declare.
pub(in crate::routing) fn of_destination<'a, T>(
    resource: &'a Resource,
    read: Read<'a, T>,
) -> Option<Sourced<T>> {
    let value = read(Declared::by(&resource.meta().labels))?;
    Some(Sourced { value, origin: PolicyOrigin::of(resource) })
}

/// Returns the setting that the labels of a route declare, or else those of the Mesh.
pub(in crate::routing) fn by_route_or_mesh<'a, T>(
    view: &View<'a>,
    route: Option<&ResourceId>,
    read: Read<'a, T>,
) -> Option<Sourced<T>> {
    by_route(view, route, read).or_else(|| by_mesh(view, read))
}

/// Returns the setting that the proxy's own Dataplane declares about connections to it.
pub(in crate::routing) fn of_dataplane(view: &View<'_>) -> Option<Sourced<bool>> {
    of_destination(view.resource(), Declared::accept_proxy_protocol)
}

/// Data path of the outbound at a port: by the label of the proxy's Dataplane for that port, or else of its route, or else of
/// the Dataplane for all of its outbounds, or else of the Mesh.
pub(in crate::routing) fn data_path(
    view: &View<'_>,
    port: u16,
    route: Option<&ResourceId>,
) -> Option<Sourced<DataPath>> {
    let (read, own) = (Declared::data_path, view.resource());
    let at_port = Declared::by(&own.meta().labels).data_path_at(port);
    at_port
        .map(|value| Sourced { value, origin: PolicyOrigin::of(own) })
        .or_else(|| by_route(view, route, read))
        .or_else(|| of_destination(own, read))
        .or_else(|| by_mesh(view, read))
}

/// Warnings about labels for ports that no outbound of the proxy has.
pub(in crate::routing) fn data_path_of_nobody(view: &View<'_>, ports: &BTreeSet<u16>) -> Vec<Warning> {
    let said = Declared::by(&view.resource().meta().labels).ports_with_data_path();
    let nobodys = said.filter(|port| !ports.contains(port));
    let warning =
        |port| format!("label meshtcp.io/data-path.{port} does nothing: no outbound has port {port}");
    nobodys.map(|port| Warning::from(warning(port))).collect()
}

/// Returns the settings that the labels of a route declare about its split.
pub(in crate::routing) fn of_split(view: &View<'_>, route: Option<&ResourceId>) -> SplitSettings {
    SplitSettings {
        sticky: by_route(view, route, Declared::sticky),
        existing: by_route(view, route, Declared::existing),
        retry_other_side: by_route(view, route, Declared::retry_other_side),
        drain_grace: by_route(view, route, Declared::drain_grace),
    }
}

/// Sets what the labels of a route declare about a destination behind it. Routes that share a destination share its
/// settings: if they disagree, the one that comes first in the plan is used, with a warning.
pub(in crate::routing) fn declare(
    view: &View<'_>,
    cluster: &mut Cluster,
    route: Option<&ResourceId>,
    warnings: &mut Vec<Warning>,
) {
    let name = cluster.name.as_str();
    let proxy_protocol = &mut cluster.settings.proxy_protocol;
    // The destination's own declaration of what it understands is kept.
    let by_destination = proxy_protocol.as_ref().is_some_and(|said| !is_route(said.origin.policy.kind));
    if !by_destination {
        let new = by_route(view, route, Declared::proxy_protocol);
        agree(name, "meshtcp.io/proxy-protocol", proxy_protocol, new, warnings);
    }
    for (label, read, said) in cluster.settings.sockets_mut() {
        agree(name, label, said, by_route(view, route, read), warnings);
    }
}

/// Sets what the labels of the Mesh declare about a destination, where nothing else does.
pub(in crate::routing) fn of_mesh(view: &View<'_>, cluster: &mut Cluster) {
    for (_, read, said) in cluster.settings.sockets_mut() {
        *said = said.take().or_else(|| by_mesh(view, read));
    }
}

/// Removes the PROXY protocol header to a zone proxy, which reads TLS first and would break the connection.
pub(in crate::routing) fn within_zone(cluster: &mut Cluster, warnings: &mut Vec<Warning>) {
    let is_behind = cluster.direct.is_none() && cluster.endpoints.iter().any(|e| e.via != Hop::Direct);
    let said = &mut cluster.settings.proxy_protocol;
    if let Some(said) = said.take_if(|said| is_behind && said.value != ProxyProtocol::None) {
        warnings.push(format!(
            "{} is reached through a zone proxy, so no PROXY protocol header is written, whatever {} says",
            cluster.name, said.origin
        ).into());
    }
}

fn by_route<'a, T>(view: &View<'a>, route: Option<&ResourceId>, read: Read<'a, T>) -> Option<Sourced<T>> {
    of_destination(view.by_id(route?)?, read)
}

fn by_mesh<'a, T>(view: &View<'a>, read: Read<'a, T>) -> Option<Sourced<T>> {
    of_destination(view.mesh_resource()?, read)
}

fn is_route(kind: Kind) -> bool {
    matches!(kind, Kind::MeshTCPRoute | Kind::MeshHTTPRoute | Kind::TrafficRoute)
}

fn agree<T: PartialEq>(
    cluster: &str,
    label: &str,
    said: &mut Option<Sourced<T>>,
    new: Option<Sourced<T>>,
    warnings: &mut Vec<Warning>,
) {
    match (&said, new) {
        (_, None) => {}
        (None, new) => *said = new,
        (Some(first), Some(new)) if first.value == new.value => {}
        (Some(first), Some(new)) => warnings.push(
            format!(
                "{cluster} is behind {} and {}, which disagree about {label}: the first counts",
                first.origin, new.origin
            )
            .into(),
        ),
    }
}
