//! Laws of matching and merging, as property tests on small worlds with names from tiny alphabets, so that ties
//! happen.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

#[path = "laws/naive.rs"]
mod naive;
#[path = "laws/world.rs"]
mod world;

use meshtcp_plan::{Context, Matched, Precedence, ProxyId, Shadows, Snapshot, plan, plan_and_reads};
use model::reference::SERVICE_TAG;
use model::{Kind, Profile, Resource, ResourceId, Spec};
use proptest::prelude::*;
use serde_json::json;

use world::{any_profile, any_world, resource, shuffled};

/// A zone ingress that offers each tag service of the worlds.
fn zone_ingress() -> Resource {
    let offered = |(mesh, service): (&str, &str)| json!({ "mesh": mesh, "tags": { SERVICE_TAG: service } });
    let available = [("m", "a"), ("m", "b"), ("n", "a"), ("n", "b")].map(offered);
    resource(json!({ "type": "ZoneIngress", "name": "ingress", "availableServices": available }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Snapshot, rules and plans are the same whatever order resources arrive in.
    #[test]
    fn arrival_order_does_not_matter(
        (world, other) in any_world().prop_flat_map(|world| (Just(world.clone()), shuffled(world))),
        profile in any_profile(),
    ) {
        let one = Snapshot::new(world, Context::new(profile));
        let other = Snapshot::new(other, Context::new(profile));
        prop_assert_eq!(one.resources(), other.resources());
        for proxy in one.proxies() {
            prop_assert_eq!(plan(&one, &proxy.clone().into()), plan(&other, &proxy.clone().into()));
            let (one, other) = (one.seen_by(&proxy).unwrap(), other.seen_by(&proxy).unwrap());
            for kind in [Kind::MeshTCPRoute, Kind::MeshTimeout] {
                prop_assert_eq!(one.rules(kind), other.rules(kind));
            }
        }
    }

    /// The indexed matcher finds the same as a scan written from the specification alone.
    #[test]
    fn the_index_agrees_with_a_naive_scan(world in any_world(), profile in any_profile()) {
        let snapshot = Snapshot::new(world, Context::new(profile));
        for proxy in snapshot.proxies() {
            let view = snapshot.seen_by(&proxy).unwrap();
            for kind in [Kind::MeshTCPRoute, Kind::MeshTimeout] {
                let mut found: Vec<ResourceId> = view.matched(kind).policies.iter().map(|p| p.id()).collect();
                let scanned = naive::matched(&snapshot, &proxy, kind);
                let mut scanned: Vec<ResourceId> = scanned.into_iter().map(Resource::id).collect();
                found.sort();
                scanned.sort();
                prop_assert_eq!(found, scanned, "{} {}", proxy, kind);
            }
        }
    }

    /// Precedence is an order: sorting any arrangement of policies by it gives the same sequence of ranks, and each
    /// rank is comparable with each other in one way only.
    #[test]
    fn precedence_is_a_total_order(
        (world, other) in any_world().prop_flat_map(|world| (Just(world.clone()), shuffled(world))),
        profile in any_profile(),
    ) {
        fn ranks(world: &[Resource], profile: Profile) -> Vec<Precedence<'_>> {
            let policies = world.iter().filter_map(|resource| match resource.spec() {
                Spec::Policy(policy) => Some(Precedence::of(resource, policy, profile)),
                _ => None,
            });
            policies.collect()
        }
        let (mut one, mut other) = (ranks(&world, profile), ranks(&other, profile));
        for a in &one {
            for b in &one {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
                for c in &one {
                    prop_assert!(!(a <= b && b <= c) || a <= c);
                }
            }
        }
        one.sort();
        other.sort();
        prop_assert_eq!(one, other);
    }

    /// Lookups return what the specification says that the reference does with each destination.
    #[test]
    fn lookups_answer_what_the_specification_says(world in any_world(), profile in any_profile()) {
        let snapshot = Snapshot::new(world, Context::new(profile));
        for proxy in snapshot.proxies() {
            let view = snapshot.seen_by(&proxy).unwrap();
            let kind = Kind::MeshTCPRoute;
            let matched = view.matched(kind);
            let rules = view.rules(kind);
            let broken = naive::breaks_tag_rules(&snapshot, &matched.policies);
            prop_assert_eq!(broken, !rules.warnings.iter().all(|w| w.starts_with("unable to resolve")));
            for service in ["a", "b", "c", "a_b_svc_1", ""] {
                let said = naive::for_service(&snapshot, &matched.policies, service);
                prop_assert_eq!(rules.for_service(service).map(|merged| json!(merged.conf())), said);
            }
            let services = [Kind::MeshService, Kind::MeshMultiZoneService];
            for service in services.iter().flat_map(|kind| snapshot.of_kind(*kind)) {
                for section in ["", "a", "b", "1", "2"] {
                    let id = service.id().with_section(section);
                    let said = naive::for_resource(&snapshot, &matched.policies, &id).filter(|_| !broken);
                    let found = rules.for_resource(&id);
                    prop_assert_eq!(found.map(|merged| json!(merged.conf())), said, "{}", id);
                }
            }
        }
    }

    /// A policy that occurs twice in a row adds nothing.
    #[test]
    fn merging_is_idempotent(world in any_world(), profile in any_profile()) {
        let snapshot = Snapshot::new(world, Context::new(profile));
        let destinations = snapshot.destinations("m");
        for proxy in snapshot.proxies() {
            let view = snapshot.seen_by(&proxy).unwrap();
            for kind in [Kind::MeshTCPRoute, Kind::MeshTimeout] {
                let once = view.match_policies(snapshot.of_kind(kind).iter().map(AsRef::as_ref), Shadows::Included);
                let mut twice = Matched { policies: Vec::new(), ..once.clone() };
                twice.policies = once.policies.iter().flat_map(|policy| [*policy, *policy]).collect();
                let (once, twice) = (destinations.merge(kind, &once), destinations.merge(kind, &twice));
                let tag = |rules: &meshtcp_plan::Rules| {
                    let rules = rules.tag.iter().map(|rule| (rule.subset.clone(), rule.merged.conf().cloned()));
                    rules.collect::<Vec<_>>()
                };
                prop_assert_eq!(tag(&once), tag(&twice));
                let resources = |rules: &meshtcp_plan::Rules| {
                    let rules = rules.resources.iter().map(|(id, rule)| (id.clone(), rule.merged.conf().cloned()));
                    rules.collect::<Vec<_>>()
                };
                prop_assert_eq!(resources(&once), resources(&twice));
            }
        }
    }

    /// A change that does not touch the reads of a view cannot change what was computed from it: a control plane
    /// plans again only when it must.
    #[test]
    fn plans_depend_only_on_what_was_read(
        (world, other) in (any_world(), any_world()),
        (kept, taken) in (any::<u32>(), any::<u32>()),
        profile in any_profile(),
    ) {
        let world: Vec<Resource> = world.into_iter().chain([zone_ingress()]).collect();
        let before = Snapshot::new(world.clone(), Context::new(profile));
        // some of the one world, some of the other: resources are added, removed and changed
        let chosen = |bits: u32| move |(at, _): &(usize, Resource)| bits >> at & 1 == 1;
        let kept = world.into_iter().enumerate().filter(chosen(kept | kept.rotate_left(7)));
        let taken = other.into_iter().enumerate().filter(chosen(taken & taken.rotate_left(7)));
        let after: Vec<Resource> = kept.chain(taken).map(|(_, resource)| resource).collect();
        let after = Snapshot::new(after, Context::new(profile));
        let touched = after.touched_since(&before);
        let proxies = before.proxies().map(ProxyId::from);
        for proxy in proxies.chain([ProxyId::ZoneIngress(zone_ingress().meta().name.clone())]) {
            let (planned, reads) = plan_and_reads(&before, &proxy).unwrap();
            if !reads.meet(&touched) {
                prop_assert_eq!(Some(planned), plan(&after, &proxy));
            }
        }
    }

    /// A change touches nothing exactly if it changes nothing.
    #[test]
    fn equal_snapshots_touch_nothing(world in any_world(), profile in any_profile()) {
        let one = Snapshot::new(world.clone(), Context::new(profile));
        let fewer = Snapshot::new(world.iter().skip(1).cloned(), Context::new(profile));
        prop_assert!(Snapshot::new(world, Context::new(profile)).touched_since(&one).is_nothing());
        prop_assert_eq!(fewer.touched_since(&one).is_nothing(), fewer.resources() == one.resources());
    }
}
