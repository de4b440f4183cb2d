//! Laws that hold for any resources, in every profile and dialect. Names come from a tiny alphabet, so that they meet.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

#[path = "laws/documents.rs"]
mod documents;

use std::collections::BTreeSet;
use std::sync::Arc;

use meshtcp_dialect::envoy::{self, EnvoyOptions, SplitLayout};
use meshtcp_dialect::l4;
use model::draft::{Document, parse_unchecked, read};
use model::{Profile, Resource};
use plan::{
    Backend, BackendFate, ClusterKind, Context, Direction, ExternalPeer, Listener, ListenerTls, Plan,
    ProxyId, Snapshot, TlsTermination, plan, shares,
};
use proptest::prelude::*;
use serde_json::Value;

use documents::documents;

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(Profile::ALL.to_vec())
}

fn resources(documents: &[String], profile: Profile) -> Vec<Resource> {
    let (documents, problems) = read("resources.yaml", &documents.join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    // The source of a resource has no influence on its plan.
    let anywhere = |document: &Document| Document::from_value("", document.value().clone());
    documents.iter().filter_map(|document| parse_unchecked(&anywhere(document), profile).resource).collect()
}

fn plans(resources: Vec<Resource>, profile: Profile) -> Vec<Plan> {
    let snapshot = Snapshot::new(resources, Context::new(profile));
    let dataplanes = snapshot.proxies().map(ProxyId::from);
    dataplanes.chain(snapshot.zone_proxies()).filter_map(|proxy| plan(&snapshot, &proxy)).collect()
}

/// Documents of a mesh, and those of another that has no CA.
fn with_plaintext_mesh(documents: &[String]) -> Vec<String> {
    let other = documents.iter().filter(|it| it.contains("mesh: default"));
    let other = other.map(|it| it.replace("mesh: default", "mesh: other"));
    documents.iter().cloned().chain(other).chain(["type: Mesh\nname: other\n".to_owned()]).collect()
}

fn splits(plan: &Plan) -> impl Iterator<Item = &[Backend]> {
    plan.listeners.iter().flat_map(|listener| listener.routes()).map(|route| route.split.as_slice())
}

/// Collects every member with this name, at any depth.
fn members<'v>(tree: &'v Value, name: &str, found: &mut Vec<&'v Value>) {
    match tree {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            if key == name {
                found.push(value);
            }
            members(value, name, found);
        }),
        Value::Array(list) => list.iter().for_each(|value| members(value, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn shares_add_up_and_lead_somewhere((documents, profile) in (documents(), profile())) {
        for plan in plans(resources(&documents, profile), profile) {
            for split in splits(&plan) {
                let sum: f64 = shares(split).iter().sum();
                prop_assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-9, "{sum}");
                for backend in split {
                    if let BackendFate::Routed { cluster, .. } = &backend.fate {
                        prop_assert!(backend.weight > 0 && plan.clusters.contains_key(cluster), "{backend:?}");
                    }
                }
            }
            for route in plan.listeners.iter().filter(|it| it.destination().is_some()).flat_map(|it| it.routes()) {
                let nothing = route.split.iter().all(|b| matches!(b.fate, BackendFate::Spilled(_)));
                prop_assert_eq!(nothing, route.refusal.is_some(), "{:?}", route);
            }
        }
    }

    #[test]
    fn nothing_of_an_egress_leaves_a_mesh_that_has_no_ca((documents, profile) in (documents(), profile())) {
        let secured = documents.iter().any(|it| it.contains("enabledBackend"));
        for plan in plans(resources(&with_plaintext_mesh(&documents), profile), profile) {
            if !matches!(plan.proxy.id, ProxyId::ZoneEgress(_)) {
                continue;
            }
            prop_assert!(secured || plan.listeners.is_empty());
            for (claimed, route) in plan.listeners.iter().flat_map(|listener| &listener.routes) {
                prop_assert!(!claimed.hostname().contains("other"), "{claimed}");
                let ended = match route.session.as_ref().unwrap() {
                    TlsTermination::Mtls(terminated) => {
                        prop_assert_eq!(terminated.peer_prefixes.clone(), ["spiffe://default/"]);
                        prop_assert_eq!(terminated.mtls.mesh.as_str(), "default");
                        true
                    }
                    session => {
                        prop_assert_eq!(session, &TlsTermination::Passthrough);
                        false
                    }
                };
                for cluster in route.split.iter().filter_map(Backend::cluster) {
                    let is_outside = matches!(plan.clusters[cluster].kind, ClusterKind::External { .. });
                    prop_assert_eq!(is_outside, ended, "{}", cluster);
                }
            }
        }
    }

    #[test]
    fn every_route_of_a_zone_proxy_says_who_made_it((documents, profile) in (documents(), profile())) {
        let resources = resources(&with_plaintext_mesh(&documents), profile);
        let known: BTreeSet<_> = resources.iter().map(Resource::id).collect();
        for plan in plans(resources, profile) {
            for listener in plan.listeners.iter().filter(|it| it.direction == Direction::Zone) {
                for backend in listener.routes().flat_map(|route| &route.split) {
                    let by = backend.origin.as_ref().map(|origin| &origin.policy);
                    prop_assert!(by.is_some_and(|by| known.contains(by)), "{:?}", backend);
                }
            }
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(
        (documents, profile) in (documents(), profile()),
        turn in 0..16usize,
    ) {
        let straight = resources(&documents, profile);
        let mut turned = straight.clone();
        turned.rotate_left(turn.min(straight.len()));
        turned.reverse();
        prop_assert_eq!(plans(straight, profile), plans(turned, profile));
    }

    #[test]
    fn envoy_is_told_whole_things((documents, profile) in (documents(), profile())) {
        for plan in plans(resources(&documents, profile), profile) {
            for split in [SplitLayout::Clusters, SplitLayout::Endpoints] {
                    let told = envoy::lower(&plan, &EnvoyOptions { split, ..EnvoyOptions::default() });
                    prop_assert!(told.to_resource_set().is_ok(), "{:?}", told.to_resource_set());
                    for (name, cluster) in &told.clusters {
                        prop_assert_eq!(cluster["type"] == "EDS", told.endpoints.contains_key(name));
                    }
                    for listener in told.listeners.values() {
                        let (mut weights, mut targets) = (Vec::new(), Vec::new());
                        members(listener, "weight", &mut weights);
                        prop_assert!(weights.iter().all(|weight| weight.as_u64() > Some(0)));
                        let sum: u64 = weights.iter().filter_map(|weight| weight.as_u64()).sum();
                        prop_assert!(sum <= u64::from(u32::MAX) * plan.listeners.len().max(1) as u64);
                        members(listener, "cluster", &mut targets);
                        for target in targets.iter().filter_map(|target| target.as_str()) {
                            // nothing arrives where the kernel redirects nothing
                            let idle = target.starts_with("self_transparentproxy") || target.starts_with("inbound:passthrough");
                            let known = told.clusters.contains_key(target) || target == "kuma.io/unresolved-backend";
                            prop_assert!(known || idle, "{target}");
                        }
                    }
            }
        }
    }

    #[test]
    fn our_proxy_is_told_whole_things((documents, profile) in (documents(), profile())) {
        for plan in plans(resources(&documents, profile), profile) {
            let l4::L4Resources { listeners, routes, clusters, endpoints, names: _, refusals: _, notes: _ } = l4::lower(&plan);
            let led: BTreeSet<&str> = listeners
                .values()
                .flat_map(|l| l.server_names.iter().map(|s| s.route.as_str()).chain([l.route.as_str()]))
                .filter(|route| !route.is_empty())
                .collect();
            prop_assert_eq!(led, routes.keys().map(String::as_str).collect::<BTreeSet<_>>());
            for route in routes.values() {
                prop_assert_eq!(route.backends.is_empty(), !route.refusal.is_empty(), "{:?}", route);
                for backend in &route.backends {
                    prop_assert!(backend.weight > 0);
                    prop_assert_eq!(backend.cluster.is_empty(), !backend.unavailable.is_empty());
                    prop_assert!(backend.cluster.is_empty() || clusters.contains_key(&backend.cluster));
                }
            }
            prop_assert!(clusters.keys().eq(endpoints.keys()));
        }
    }
    /// Where the plan requires mesh TLS our proxy terminates and originates it, or carries nothing.
    #[test]
    fn our_proxy_carries_nothing_in_plaintext_that_must_be_secured(
        (documents, profile) in (documents(), profile())
    ) {
        for plan in plans(resources(&documents, profile), profile) {
            let told = l4::lower(&plan);
            for listener in &plan.listeners {
                for (claimed, route) in &listener.routes {
                    let Some(TlsTermination::Mtls(_)) = route.session else { continue };
                    let claims = told.listeners.get(&listener.name).map(|it| it.server_names.as_slice());
                    let claim = claims.unwrap_or_default().iter().find(|it| it.pattern == claimed.hostname().to_lowercase());
                    let refused = told.refusals.of_route(&listener.name, claimed).is_some();
                    let ends = claim.is_some_and(|it| it.tls.is_some() && it.permissions.is_some());
                    prop_assert!(ends || refused, "{claim:?}");
                }
                let ListenerTls::Mtls(terminated) = &listener.accepts else { continue };
                let Some(message) = told.listeners.get(&listener.name) else { continue };
                let permissive = message.tls.as_ref().map(|tls| tls.permissive);
                let refuses = told.routes[&listener.name].backends.is_empty();
                prop_assert!(permissive == Some(terminated.permissive) || refuses, "{message:?}");
                prop_assert_eq!(permissive.is_none(), told.refusals.routes.contains_key(&listener.name));
            }
            for (name, endpoints) in &told.endpoints {
                let Some(cluster) = plan.clusters.get(name) else { continue };
                let secured = cluster.direct.is_none() && cluster.tls.as_ref().is_some_and(|tls| !tls.optional);
                let spoken = told.clusters[name].tls.is_some();
                prop_assert!(!secured || spoken || endpoints.endpoints.is_empty(), "{endpoints:?}");
                let outside = cluster.to_outside().map(|tls| tls.to_all());
                // different TLS is split into several clusters
                let Ok(wanted) = outside.transpose().map(Option::flatten) else { continue };
                let said = &told.clusters[name].outside_tls;
                match (wanted, said) {
                    (Some(wanted), Some(said)) => {
                        prop_assert_eq!(wanted.verify == ExternalPeer::Anybody, said.anybody);
                        let shows = wanted.client_certificate.is_some();
                        prop_assert_eq!(shows, !said.certificate.is_empty());
                    }
                    (wanted, said) => {
                        prop_assert!(said.is_none());
                        prop_assert!(wanted.is_none() || endpoints.endpoints.is_empty(), "{endpoints:?}");
                    }
                }
            }
        }
    }

    /// Refusals of our proxy that the plan does not have are reported with the plan, and noted.
    #[test]
    fn nothing_is_refused_in_silence((documents, profile) in (documents(), profile())) {
        for plan in plans(resources(&documents, profile), profile) {
            let told = l4::lower(&plan);
            for (name, cluster) in &told.clusters {
                let refused = told.refusals.clusters.get(name).map_or("", String::as_str);
                prop_assert_eq!(&cluster.undialable, refused);
                prop_assert!(refused.is_empty() || told.notes.iter().any(|note| note.ends_with(refused)));
            }
            let refused = |it: &&Arc<Listener>| it.routes().any(|route| route.refusal.is_some());
            let planned: BTreeSet<&str> = plan.listeners.iter().filter(refused).map(|it| it.name.as_str()).collect();
            for (name, route) in told.routes.iter().filter(|(_, route)| !route.refusal.is_empty()) {
                let by_plan = planned.contains(name.as_str()) || route.refusal == plan::NO_GATEWAY_ROUTE;
                let by_split = route.refusal.starts_with("no backend is left");
                prop_assert!(by_plan || by_split || told.refusals.routes.get(name) == Some(&route.refusal), "{route:?}");
            }
            for why in told.refusals.routes.values() {
                prop_assert!(told.notes.iter().any(|note| note.ends_with(why)), "{:?}", told.notes);
            }
        }
    }
}
