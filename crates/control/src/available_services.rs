//! Services that other zones may dial in this one, written to its ZoneIngresses (spec 08 §3).
//!
//! A job of one control plane for all that share a store. It writes only what differs; where resources are files that
//! nobody here writes, the list is taken from the files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use change::AVAILABLE_SERVICES;
use model::reference::{MESH_TAG, ZONE_TAG};
use model::topology::{AvailableService, MeshServicesMode, ZoneIngress};
use model::{Kind, ProxyKey, Resource, Spec, Tags};
use plan::Snapshot;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::run::Current;
use crate::store::{Expected, Store, StoreError};

/// Settings for counting the available services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCountSettings {
    /// Least time between two counts after changes.
    pub interval: Duration,
    /// Prefixes of the tag keys of inbounds that are published; empty: all tags. Without a prefix of `kuma.io/service`
    /// no inbound is published.
    pub tags: Vec<String>,
}

/// Writes the available services of this zone, as long as it is polled.
pub async fn keep(
    store: Arc<dyn Store>,
    mut current: watch::Receiver<Arc<Current>>,
    counting: ServiceCountSettings,
) {
    loop {
        let state = Arc::clone(&current.borrow_and_update());
        let written = match state.compiled() {
            Some(compiled) => write(&*store, &compiled.snapshot, &counting.tags).await,
            None => Ok(()),
        };
        tokio::time::sleep(counting.interval).await;
        match written {
            // the next round tries again
            Err(error) => tracing::debug!(%error, "what the zone offers is not written down"),
            // the sender is gone: the process ends
            Ok(()) if current.changed().await.is_err() => return,
            Ok(()) => {}
        }
    }
}

async fn write(store: &dyn Store, snapshot: &Snapshot, kept: &[String]) -> Result<(), StoreError> {
    let ingresses = own_ingresses(snapshot);
    if ingresses.is_empty() {
        return Ok(());
    }
    let offered = offered(snapshot, kept);
    for (resource, ingress) in ingresses {
        if ingress.available == offered {
            continue;
        }
        let key = resource.key();
        let Some(stored) = store.get(&key).await? else { continue };
        let mut document = stored.document;
        document[AVAILABLE_SERVICES] = offered.iter().map(shown).collect();
        match store.put(&key, document, Expected::Version(stored.version)).await {
            // a concurrent change triggers another count
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the ingresses whose services this control plane counts: those of its zone. A control plane without a zone
/// cannot tell copies of others from its own, and leaves alone those that name a zone.
fn own_ingresses(snapshot: &Snapshot) -> Vec<(&Resource, &ZoneIngress)> {
    let in_a_zone = snapshot.context().zone.is_some();
    let ingresses = snapshot.zone_proxies().filter_map(|proxy| {
        let resource = snapshot.named(proxy.kind(), "", proxy.name().as_str())?;
        let Spec::ZoneIngress(ingress) = resource.spec() else { return None };
        let names_none = ingress.zone.is_empty() && resource.meta().zone().is_empty();
        (in_a_zone || names_none).then_some((resource, ingress))
    });
    ingresses.collect()
}

/// Returns the available services of a zone, by mesh and then by the text of the tags.
fn offered(snapshot: &Snapshot, kept: &[String]) -> Vec<AvailableService> {
    let own = snapshot.context().zone.as_deref();
    let is_own = |zone: &str| zone.is_empty() || own.is_none_or(|own| own == zone);
    let mut found: BTreeMap<(String, String), AvailableService> = BTreeMap::new();
    let mut add = |mesh: &str, tags: &Tags, kept: &[String], external: bool| {
        let mut tags = tags.clone();
        if let Some(own) = own {
            // nobody publishes services for another zone
            tags.insert(ZONE_TAG, own);
        }
        let is_kept = |key: &str| kept.is_empty() || kept.iter().any(|prefix| key.starts_with(prefix));
        let tags: Tags = tags.iter().filter(|(key, _)| is_kept(key)).collect();
        if tags.service().is_some() {
            let key = (mesh.to_owned(), tags.to_string());
            let none = || AvailableService { mesh: mesh.to_owned(), tags, instances: 0, external };
            found.entry(key).or_insert_with(none).instances += 1;
        }
    };
    for resource in snapshot.of_kind(Kind::Mesh) {
        let Spec::Mesh(mesh) = resource.spec() else { continue };
        if mesh.mesh_services == MeshServicesMode::Exclusive {
            continue;
        }
        let name = resource.meta().name.as_str();
        for (resource, dataplane) in snapshot.dataplanes(name) {
            if !is_own(resource.meta().zone()) {
                continue;
            }
            let healthy = dataplane.inbound.iter().filter(|inbound| inbound.is_healthy());
            healthy.for_each(|inbound| add(name, &inbound.tags, kept, false));
            if let Some(gateway) = dataplane.builtin_gateway() {
                let key = ProxyKey::new(name, resource.meta().name.clone());
                let of_gateway = of_other_meshes(snapshot, &key, &gateway.tags);
                of_gateway.iter().for_each(|tags| add(name, tags, &[], false));
            }
        }
        if mesh.zone_egress {
            for resource in snapshot.in_mesh(Kind::ExternalService, name) {
                let Spec::ExternalService(service) = resource.spec() else { continue };
                if service.tags.get(ZONE_TAG).is_some_and(|zone| own == Some(zone)) {
                    add(name, &service.tags, &[], true);
                }
            }
        }
    }
    found.into_values().collect()
}

/// Returns the tags of the listeners of a builtin gateway that other meshes may dial.
fn of_other_meshes(snapshot: &Snapshot, proxy: &ProxyKey, own: &Tags) -> Vec<Tags> {
    let view = snapshot.seen_by(proxy);
    let Some((_, gateway)) = view.as_ref().and_then(|view| view.gateway()) else { return Vec::new() };
    let dialled = gateway.listeners.iter().filter(|listener| listener.cross_mesh);
    let tags = dialled.map(|listener| {
        let mut tags = own.merged(&gateway.tags).merged(&listener.tags);
        tags.insert(MESH_TAG, proxy.mesh.as_str());
        tags
    });
    tags.collect()
}

/// Renders an available service as it is stored; false and empty members are left out.
fn shown(AvailableService { mesh, tags, instances, external }: &AvailableService) -> Value {
    let external = external.then(|| ("externalService".to_owned(), json!(true)));
    let said = [("tags", json!(tags)), ("instances", json!(instances)), ("mesh", json!(mesh))];
    let said = said.into_iter().map(|(key, value)| (key.to_owned(), value));
    Value::Object(said.chain(external).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use model::draft::{Options, parse, read};

    use super::*;

    const ZONE: &str = "
type: Mesh
name: default
mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}
routing: {zoneEgress: true}
---
type: Mesh
name: real
meshServices: {mode: Exclusive}
---
type: Dataplane
mesh: real
name: db-1
networking: {address: 10.0.0.9, inbound: [{port: 1, tags: {kuma.io/service: db}}]}
---
type: Dataplane
mesh: default
name: redis-1
networking:
  address: 10.0.0.1
  inbound:
  - {port: 1, tags: {kuma.io/service: redis, version: v1, kuma.io/zone: west}}
  - {port: 2, tags: {kuma.io/service: redis, version: v1}}
  - {port: 3, state: NotReady, tags: {kuma.io/service: redis, version: v1}}
  - {port: 4, health: {ready: false}, tags: {kuma.io/service: other}}
---
type: Dataplane
mesh: default
name: elsewhere
labels: {kuma.io/zone: west}
networking: {address: 10.0.1.1, inbound: [{port: 1, tags: {kuma.io/service: redis}}]}
---
type: ExternalService
mesh: default
name: outside
tags: {kuma.io/service: outside, kuma.io/zone: east}
networking: {address: 'example.com:80'}
---
type: ExternalService
mesh: default
name: everywhere
tags: {kuma.io/service: everywhere}
networking: {address: 'example.com:80'}
---
type: Dataplane
mesh: default
name: gate-1
networking: {address: 10.0.0.2, gateway: {type: BUILTIN, tags: {kuma.io/service: gate}}}
---
type: MeshGateway
mesh: default
name: gate
selectors: [{match: {kuma.io/service: gate}}]
conf: {listeners: [{port: 80, protocol: HTTP, crossMesh: true, hostname: a.mesh, tags: {port: http}}, {port: 81, protocol: TCP}]}
---
type: ZoneIngress
name: zi-1
zone: east
networking: {address: 10.0.0.3, port: 10001}
---
type: ZoneIngress
name: of-west
zone: west
networking: {address: 10.0.1.3, port: 10001}
";

    fn snapshot() -> Snapshot {
        snapshot_in(Some("east"))
    }

    fn snapshot_in(zone: Option<&str>) -> Snapshot {
        let documents = read("zone.yaml", ZONE).0;
        let resources =
            documents.iter().map(|document| parse(document, &Options::default()).resource.unwrap());
        let zone = zone.map(str::to_owned);
        Snapshot::new(resources, plan::Context { zone, ..plan::Context::default() })
    }

    fn in_words(offered: &[AvailableService]) -> Vec<String> {
        let word = |it: &AvailableService| {
            format!("{} {} x{}{}", it.mesh, it.tags, it.instances, if it.external { " outside" } else { "" })
        };
        offered.iter().map(word).collect()
    }

    #[test]
    fn what_is_ready_here_is_offered_in_the_name_of_this_zone() {
        assert_eq!(
            in_words(&offered(&snapshot(), &[])),
            [
                "default kuma.io/mesh=default,kuma.io/service=gate,kuma.io/zone=east,port=http x1",
                "default kuma.io/service=outside,kuma.io/zone=east x1 outside",
                "default kuma.io/service=redis,kuma.io/zone=east,version=v1 x2",
            ]
        );
    }

    #[test]
    fn what_is_told_of_another_zone_is_left_alone() {
        let names = |zone| {
            let snapshot = snapshot_in(zone);
            let own = own_ingresses(&snapshot).into_iter();
            own.map(|(resource, _)| resource.meta().name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("east")), ["zi-1"]);
        assert_eq!(names(Some("west")), ["of-west"]);
        assert!(names(None).is_empty(), "copies of others and its own look alike");
    }

    #[test]
    fn a_filter_keeps_what_it_names_and_nothing_else() {
        let kept = |prefixes: &[&str]| {
            let prefixes: Vec<String> = prefixes.iter().map(|it| (*it).to_owned()).collect();
            in_words(&offered(&snapshot(), &prefixes))
        };
        let others =
            |all: &[String]| all.iter().filter(|it| !it.contains("redis")).cloned().collect::<Vec<_>>();
        assert_eq!(kept(&["kuma.io/service"])[2], "default kuma.io/service=redis x2");
        // only tags of inbounds are filtered
        assert_eq!(kept(&["version"]), others(&kept(&[])));
    }
}
