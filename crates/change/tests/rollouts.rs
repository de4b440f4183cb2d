//! Rollouts in force: plans take the route as it is written, and of two backends the weights of the rollout.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use std::sync::Arc;

use dialect::envoy::EnvoyOptions;
use meshtcp_change::compile::{Applied, applied, warnings};
use meshtcp_change::preview::{OpenConnections, State, preview};
use meshtcp_change::ramp::RolloutPlacement;
use meshtcp_change::{Entry, Ledger};
use model::draft::{Options, parse, read};
use model::policy::Percent;
use model::{Kind, Profile, ProxyKey, ResourceKey};
use plan::{Backend, Context, ProxyId, explain};

const MESH: &str = "type: Mesh\nname: default\n---\ntype: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 10.0.0.1\n  \
    inbound: [{port: 80, tags: {kuma.io/service: web}}]\n  outbound: [{port: 6379, tags: {kuma.io/service: redis}}]\n---\n\
    type: Dataplane\nmesh: default\nname: redis-1\nnetworking:\n  address: 10.0.0.2\n  inbound:\n    - {port: 6379, tags: \
    {kuma.io/service: redis}}\n    - {port: 6380, tags: {kuma.io/service: redis-v2}}\n    - {port: 6381, tags: {kuma.io/service: other}}\n";

fn route(backends: &str) -> String {
    format!(
        "---\ntype: MeshTCPRoute\nmesh: default\nname: split\nspec:\n  targetRef: {{kind: Mesh}}\n  to:\n    - targetRef: {{kind: \
         MeshService, name: redis}}\n      rules: [{{default: {{backendRefs: [{backends}]}}}}]\n"
    )
}

fn rollout(name: &str, status: &str) -> String {
    format!(
        "---\ntype: MeshTCPRollout\nmesh: default\nname: {name}\nspec:\n  targetRef: {{kind: MeshTCPRoute, name: split}}\n  destination: \
         {{kind: MeshService, name: redis}}\n  from: {{kind: MeshService, name: redis}}\n  to: {{kind: MeshService, name: redis-v2}}\n  \
         steps: [{{weight: 10}}, {{weight: 100}}]\nstatus: {status}\n"
    )
}

fn state(text: &str) -> State {
    state_by(text, Profile::default())
}

fn state_by(text: &str, profile: Profile) -> State {
    let (documents, problems) = read("mesh.yaml", text);
    assert!(problems.is_empty(), "{problems:?}");
    let entry = |document| {
        let parsed = parse(&document, &Options { profile, ..Options::default() });
        let resource = Arc::new(parsed.resource.unwrap_or_else(|| panic!("{:?}", parsed.problems)));
        Arc::new(Entry { document, resource })
    };
    let ledger: Ledger = documents.into_iter().map(entry).collect();
    State::of(ledger, &Context::new(profile), EnvoyOptions::default())
}

fn web() -> ProxyId {
    ProxyKey { mesh: "default".into(), name: "web-1".into() }.into()
}

fn split(state: &State) -> Vec<Backend> {
    let plan = &state.compiled.proxies[&web()].plan;
    let outbound = plan.listeners.iter().find(|listener| listener.destination().is_some()).unwrap();
    outbound.routes().next().unwrap().split.clone()
}

fn weights(state: &State) -> Vec<(String, u32, Option<String>)> {
    let by = |backend: &Backend| backend.weighed_by.as_ref().map(|by| by.name.clone());
    split(state).iter().map(|it| (it.reference.clone(), it.weight, by(it))).collect()
}

fn of(state: &State, name: &str) -> Applied {
    let key = ResourceKey::new(Kind::MeshTCPRollout, "default", name);
    applied(&state.ledger, &state.compiled).remove(&key).unwrap().1
}

const BOTH: &str =
    "{kind: MeshService, name: redis, weight: 100}, {kind: MeshService, name: redis-v2, weight: 0}";

#[test]
fn the_weights_in_force_name_the_rollout_and_the_route_stays_as_it_is() {
    let began = state(&[MESH, &route(BOTH), &rollout("ramp", "{}")].concat());
    assert!(weights(&began).iter().all(|(_, _, by)| by.is_none()), "it has not begun");
    let state = state(&[MESH, &route(BOTH), &rollout("ramp", "{weight: 10}")].concat());
    let by = Some("ramp".to_owned());
    let expected =
        [("MeshService redis".to_owned(), 9, by.clone()), ("MeshService redis-v2".to_owned(), 1, by)];
    assert_eq!(weights(&state), expected);
    let applied = of(&state, "ramp");
    assert_eq!(applied.standing, RolloutPlacement::InForce { written: Some(Percent::whole(0)) });
    assert_eq!((applied.proxies, applied.destinations), ([web()].into(), ["redis".to_owned()].into()));
    let ProxyId::Dataplane(key) = web() else { panic!() };
    let explained = explain(&state.compiled.snapshot, &key, None).unwrap().to_string();
    assert!(
        explained.contains("10.00 %  MeshService redis-v2 (weight 1, from MeshTCPRollout ramp"),
        "{explained}"
    );
    let json = plan::plan_json(&state.compiled.proxies[&web()].plan);
    assert_eq!(json["outbounds"][0]["split"][1]["rollout"]["name"], "ramp");
}

#[test]
fn the_backend_that_connections_go_to_need_not_stand_in_the_route_and_others_keep_their_share() {
    let refs = "{kind: MeshService, name: redis, weight: 3}, {kind: MeshService, name: other, weight: 1}";
    let state = state(&[MESH, &route(refs), &rollout("ramp", "{weight: 50}")].concat());
    let found: Vec<u32> = weights(&state).into_iter().map(|(_, weight, _)| weight).collect();
    assert_eq!(found, [3, 2, 3]);
    assert_eq!(of(&state, "ramp").standing, RolloutPlacement::InForce { written: Some(Percent::whole(0)) });
}

#[test]
fn a_preview_shows_what_a_step_and_a_deletion_would_do() {
    let without = state(&[MESH, &route(BOTH)].concat());
    let with = state(&[MESH, &route(BOTH), &rollout("ramp", "{weight: 100}")].concat());
    for (before, after) in [(&without, &with), (&with, &without)] {
        let preview = preview(before, after, &OpenConnections::new());
        let proxies: Vec<&ProxyId> = preview.proxies.iter().map(|it| &it.proxy).collect();
        assert_eq!(proxies, [&web()]);
    }
}

#[test]
fn why_a_rollout_is_not_in_force_is_told() {
    let nowhere = |text: &str| match of(&state(text), "ramp").standing {
        RolloutPlacement::Nowhere(why) => why,
        RolloutPlacement::InForce { .. } => panic!("it is in force"),
    };
    let ramp = rollout("ramp", "{weight: 10}");
    assert_eq!(nowhere(&[MESH, &ramp].concat()), "there is no MeshTCPRoute split");
    let other = route("{kind: MeshService, name: other}");
    let why = "MeshTCPRoute split does not name MeshService redis there";
    assert_eq!(nowhere(&[MESH, &other, &ramp].concat()), why);
    let both = [MESH, &route(BOTH), &ramp, &rollout("first", "{weight: 60}")].concat();
    let why = "MeshTCPRollout default/first is about the same destination, and comes first";
    assert_eq!(nowhere(&both), why);
    let state = state(&both);
    assert_eq!(weights(&state)[0].2.as_deref(), Some("first"));
    let told = warnings(&state.compiled, &[], &state.ledger, &[]);
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told, [format!("mesh.yaml:33:1: warning: is not in force: {why}")]);
}

#[test]
fn a_backend_that_is_not_there_holds_the_rollout() {
    let ramp = rollout("ramp", "{weight: 10}").replace(
        "to: {kind: MeshService, name: redis-v2}",
        "to: {kind: MeshService, name: gone, port: 6379}",
    );
    let state = state(&[MESH, &route(BOTH), &ramp].concat());
    let RolloutPlacement::Nowhere(why) = of(&state, "ramp").standing else { panic!("it is in force") };
    assert!(why.starts_with("MeshService gone port 6379: not found"), "{why}");
}

#[test]
fn a_route_that_says_the_same_is_seen() {
    let refs = "{kind: MeshService, name: redis, weight: 1}, {kind: MeshService, name: redis-v2, weight: 3}";
    let state = state(&[MESH, &route(refs), &rollout("ramp", "{weight: 100}")].concat());
    assert_eq!(of(&state, "ramp").standing, RolloutPlacement::InForce { written: Some(Percent::whole(75)) });
}

#[test]
fn a_profile_without_matches_has_rollouts_and_one_with_them_weighs_every_rule_that_names_both() {
    for profile in [Profile::V2_6, Profile::V2_9, Profile::V2_14] {
        let state = state_by(&[MESH, &route(BOTH), &rollout("ramp", "{weight: 25}")].concat(), profile);
        let found: Vec<u32> = weights(&state).into_iter().map(|(_, weight, _)| weight).collect();
        assert_eq!(found, [3, 1], "{profile}");
    }
    let rules = format!(
        "{{default: {{backendRefs: [{BOTH}]}}}}, {{matches: [{{sourceCIDR: 10.0.0.0/8}}], default: {{backendRefs: [{BOTH}]}}}}, \
         {{matches: [{{serverName: x.example.com}}], default: {{backendRefs: [{{kind: MeshService, name: other}}]}}}}"
    );
    let route = route(BOTH).replace(&format!("{{default: {{backendRefs: [{BOTH}]}}}}"), &rules);
    let state = state_by(&[MESH, &route, &rollout("ramp", "{weight: 25}")].concat(), Profile::Extended);
    let plan = &state.compiled.proxies[&web()].plan;
    let outbound = plan.listeners.iter().find(|listener| listener.destination().is_some()).unwrap();
    let mut splits: Vec<Vec<u32>> =
        outbound.routes().map(|route| route.split.iter().map(|it| it.weight).collect()).collect();
    splits.sort();
    assert_eq!(splits, [vec![1], vec![3, 1], vec![3, 1]]);
    assert_eq!(of(&state, "ramp").standing, RolloutPlacement::InForce { written: Some(Percent::whole(0)) });
}
