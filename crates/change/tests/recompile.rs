//! Replanning only the proxies affected by a change gives the same result as planning all, for any sequence of changes.

#[path = "../../plan/tests/laws/world.rs"]
mod world;

use std::sync::Arc;

use dialect::envoy::EnvoyOptions;
use meshtcp_change::compile::{Compiled, Compiler, EncodedPlan, PlanScope};
use meshtcp_change::{Content, Options};
use model::{Profile, Resource};
use plan::{Context, Plan, ProxyId};
use proptest::collection::vec;
use proptest::prelude::*;
use xds::Family;

use world::{any_profile, any_world, shuffled};

fn compiler(profile: Profile) -> Compiler {
    Compiler {
        context: Context::new(profile),
        scope: PlanScope::everything(),
        envoy: EnvoyOptions::default(),
    }
}

fn shared(world: Vec<Resource>) -> Vec<Arc<Resource>> {
    world.into_iter().map(Arc::new).collect()
}

/// Removes some of the present resources, and adds some others, in any order.
fn next(now: &[Arc<Resource>], other: &[Arc<Resource>], bits: u32) -> Vec<Arc<Resource>> {
    let drawn = |at: usize| bits >> (at % 32) & 1 == 1;
    let stay = now.iter().enumerate().filter(|(at, _)| !(drawn(*at) && drawn(at + 3)));
    let come = other.iter().enumerate().filter(|(at, _)| drawn(at + 9) && drawn(at + 15));
    stay.chain(come).map(|(_, resource)| Arc::clone(resource)).collect()
}

/// Configuration of every proxy in a state, with its plan.
fn told(compiled: &Compiled) -> Vec<(ProxyId, Plan, EncodedPlan)> {
    let proxies = compiled.proxies.iter();
    proxies
        .map(|(key, proxy)| {
            let l4 = proxy.told.l4().clone();
            (key.clone(), (*proxy.plan).clone(), l4)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_changes_ends_where_planning_everything_does(
        (start, others) in (any_world(), vec((any_world(), any::<u32>()), 1..8)),
        profile in any_profile(),
    ) {
        let compiler = compiler(profile);
        let mut resources = shared(start);
        let mut state = compiler.plan_all(resources.clone());
        for (other, bits) in others {
            resources = next(&resources, &shared(other), bits);
            state = compiler.plan_again(&state, resources.clone());
            prop_assert_eq!(told(&state), told(&compiler.plan_all(resources.clone())));
        }
    }

    #[test]
    fn the_same_resources_in_another_order_plan_nobody(
        (world, other) in any_world().prop_flat_map(|world| (Just(world.clone()), shuffled(world))),
        profile in any_profile(),
    ) {
        let compiler = compiler(profile);
        let before = compiler.plan_all(shared(world));
        let after = compiler.plan_again(&before, shared(other));
        prop_assert_eq!(after.planned, 0);
        for family in [Family::L4, Family::Envoy] {
            prop_assert!(before.tells_the_same(&after, family));
        }
    }
}

/// Twenty callers of twenty services, and a change that concerns one of them.
#[test]
fn only_who_read_what_changed_is_planned() {
    let caller = |name: &str, service: &str, weight: u32| {
        format!(
            "type: Dataplane\nmesh: default\nname: {name}\nnetworking:\n  address: 127.0.0.1\n  inbound: \
             [{{ port: 80, tags: {{ kuma.io/service: {name} }} }}]\n  outbound: [{{ port: 1000, tags: {{ \
             kuma.io/service: {service} }} }}]\n---\ntype: MeshTCPRoute\nmesh: default\nname: of-{name}\nspec:\n  \
             targetRef: {{ kind: MeshSubset, tags: {{ kuma.io/service: {name} }} }}\n  to: [{{ targetRef: {{ kind: \
             MeshService, name: {service} }}, rules: [{{ default: {{ backendRefs: [{{ kind: MeshService, name: \
             {service}, weight: {weight} }}] }} }}] }}]\n"
        )
    };
    let world = |weight_of: &dyn Fn(usize) -> u32, gone: Option<usize>| {
        let callers = (0..20).filter(|at| gone != Some(*at));
        let callers =
            callers.map(|at| caller(&format!("s{at}"), &format!("s{}", (at + 1) % 20), weight_of(at)));
        // a file each: a resource that moves to another line differs, because plans name their origins
        callers
            .chain(["type: Mesh\nname: default\n".to_owned()])
            .flat_map(|text| parsed(&text))
            .collect::<Vec<_>>()
    };
    let compiler = compiler(Profile::default());
    let before = compiler.plan_all(world(&|_| 1, None));
    assert_eq!(before.planned, 20);
    let weight = compiler.plan_again(&before, world(&|at| if at == 7 { 2 } else { 1 }, None));
    assert_eq!(weight.planned, 1, "the one proxy that the route selects");
    let gone = compiler.plan_again(&before, world(&|_| 1, Some(7)));
    assert_eq!(gone.planned, 1, "the one proxy that dials what went");
    let key = |name: &str| ProxyId::dataplane("default", name);
    assert!(Arc::ptr_eq(&gone.proxies[&key("s9")].plan, &before.proxies[&key("s9")].plan));
}

/// A route of the whole mesh reports, at every proxy that does not dial its destination, whether that exists: one more
/// instance concerns only those who dial it, the first and the last concern every proxy.
#[test]
fn an_instance_more_concerns_only_who_dials_it() {
    let dataplane = |name: &str, service: &str, dials: &str| {
        format!(
            "type: Dataplane\nmesh: default\nname: {name}\nnetworking:\n  address: 127.0.0.1\n  inbound: [{{ port: 80, \
             tags: {{ kuma.io/service: {service} }} }}]\n  outbound: [{{ port: 1000, tags: {{ kuma.io/service: {dials} }} \
             }}]\n"
        )
    };
    let route = "type: MeshTCPRoute\nmesh: default\nname: r\nspec:\n  to: [{ targetRef: { kind: MeshService, name: redis }, \
                 rules: [{ default: { backendRefs: [{ kind: MeshService, name: redis, weight: 1 }] } }] }]\n";
    let world = |instances: usize| -> Vec<Arc<Resource>> {
        let redis = (0..instances).map(|at| dataplane(&format!("redis-{at}"), "redis", "other"));
        let callers = (0..10).map(|at| dataplane(&format!("caller-{at}"), "caller", "other"));
        let texts =
            ["type: Mesh\nname: default\n".to_owned(), route.to_owned(), dataplane("web", "web", "redis")];
        let files = texts.into_iter().chain(redis).chain(callers);
        files.flat_map(|text| parsed(&text)).collect()
    };
    let compiler = compiler(Profile::default());
    let planned_by = |before: usize, after: usize| {
        compiler.plan_again(&compiler.plan_all(world(before)), world(after)).planned
    };
    assert_eq!(planned_by(1, 2), 2, "the new one itself and who dials it");
    assert_eq!(planned_by(3, 2), 1, "who dials it");
    assert_eq!(planned_by(0, 1), 12, "everybody: the route has a destination now");
    assert_eq!(planned_by(1, 0), 11, "everybody who is left: the route has none any more");
}

/// Resources of a file.
fn parsed(text: &str) -> Vec<Arc<Resource>> {
    let content = Content::read("mesh.yaml", text.as_bytes(), &Options::default());
    assert!(content.is_good(), "{:?}", content.problems);
    content.entries.iter().map(|entry| Arc::clone(&entry.resource)).collect()
}
