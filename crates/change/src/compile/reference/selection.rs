//! Selection of proxies by the `targetRef` of a route, whatever they dial.

use std::collections::BTreeSet;

use model::reference::SERVICE_TAG;
use model::{Kind, RefKind, Resource, Tags, TargetRef};
use plan::Snapshot;

/// Returns `true` if a target selects a proxy of a mesh, or if the mesh has no proxies to compare with.
pub(super) fn is_somebody(snapshot: &Snapshot, mesh: &str, target: &TargetRef) -> bool {
    if snapshot.dataplanes(mesh).next().is_none() {
        return true;
    }
    match (target.kind, &target.labels, &target.name) {
        (RefKind::MeshGateway, _, Some(name)) => is_named(snapshot, Kind::MeshGateway, mesh, name),
        (RefKind::Dataplane, Some(labels), _) => {
            snapshot.by_labels(Kind::Dataplane, mesh, labels).next().is_some()
        }
        (RefKind::Dataplane, None, Some(name)) => is_named(snapshot, Kind::Dataplane, mesh, name),
        (RefKind::MeshSubset | RefKind::MeshService | RefKind::MeshServiceSubset, _, _) => {
            has(snapshot, mesh, &tags(target))
        }
        // these select every proxy, or are no proxies
        (_, _, _) => true,
    }
}

/// Most similar name, or the existing names; `None`: there are none.
pub(super) fn nearest(snapshot: &Snapshot, mesh: &str, target: &TargetRef) -> Option<String> {
    let (written, known): (String, BTreeSet<&str>) = match (target.kind, &target.labels, &target.name) {
        (RefKind::MeshGateway, _, Some(name)) => (name.clone(), names(snapshot, Kind::MeshGateway, mesh)),
        (RefKind::Dataplane, Some(labels), _) => {
            let dataplanes = snapshot.in_mesh(Kind::Dataplane, mesh);
            let values = |key: &str| -> BTreeSet<&str> {
                dataplanes.iter().filter_map(|it| it.meta().labels.get(key)).collect()
            };
            let (key, value) = labels.iter().find(|(key, value)| !values(key).contains(value))?;
            (value.to_owned(), values(key))
        }
        (RefKind::Dataplane, None, Some(name)) => (name.clone(), names(snapshot, Kind::Dataplane, mesh)),
        (_, _, _) => {
            let service = tags(target).service()?.to_owned();
            let inbounds = snapshot.dataplanes(mesh).flat_map(|(_, dataplane)| &dataplane.inbound);
            (service, inbounds.filter_map(|inbound| inbound.tags.service()).collect())
        }
    };
    let near = model::draft::did_you_mean(&written, known.iter().copied());
    let all = || {
        let some: Vec<&str> = known.iter().copied().take(8).collect();
        let rest = match known.len() - some.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("there are {}{rest}", some.join(", "))
    };
    near.or_else(|| (!known.is_empty() && !known.contains(written.as_str())).then(all))
}

/// Tags by which a target selects proxies: those of its service, and its own.
fn tags(target: &TargetRef) -> Tags {
    match (target.kind, &target.name) {
        (RefKind::MeshService | RefKind::MeshServiceSubset, Some(name)) => {
            Tags::from_iter([(SERVICE_TAG, name.clone())]).merged(&target.tags)
        }
        _ => target.tags.clone(),
    }
}

fn has(snapshot: &Snapshot, mesh: &str, tags: &Tags) -> bool {
    let mut gateways = snapshot.dataplanes(mesh).filter_map(|(_, dataplane)| dataplane.gateway.as_ref());
    snapshot.dataplanes_with_tags(mesh, tags).next().is_some()
        || gateways.any(|gateway| tags.matches(&gateway.tags))
}

fn is_named(snapshot: &Snapshot, kind: Kind, mesh: &str, name: &str) -> bool {
    let of_kind = snapshot.in_mesh(kind, mesh).iter();
    of_kind.map(|it| it.meta()).any(|meta| meta.display_name() == name || meta.name.as_str() == name)
}

fn names<'s>(snapshot: &'s Snapshot, kind: Kind, mesh: &str) -> BTreeSet<&'s str> {
    snapshot
        .in_mesh(kind, mesh)
        .iter()
        .map(|it: &std::sync::Arc<Resource>| it.meta().display_name())
        .collect()
}
