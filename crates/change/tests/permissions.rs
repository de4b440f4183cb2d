//! Envoy's filter and our own decision about a certificate agree for every configuration, and the computation
//! beforehand agrees with both.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use std::sync::Arc;

use dialect::envoy::{self, EnvoyOptions};
use dialect::l4 as words;
use l4::permit::{Peer, Permissions as Law};
use meshtcp_change::compile::{Compiler, PlanScope};
use meshtcp_change::permitted;
use model::Profile;
use model::draft::{parse_unchecked, read};
use plan::{Context, ListenerTls, Permissions, Snapshot, plan};
use proptest::prelude::*;
use serde_json::Value;

/// Proxies of one mesh, and one of them in detail.
const WORLD: &str = "\
type: Mesh
name: default
mtls: { enabledBackend: ca, backends: [{ name: ca, type: builtin }] }
---
type: Dataplane
mesh: default
name: db-1
labels: { app: db }
networking:
  address: 10.0.0.1
  inbound: [{ port: 80, servicePort: 8080, tags: { kuma.io/service: db, version: a } }]
";

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "db"])
}

fn source() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{ kind: Mesh }".to_owned()),
        name().prop_map(|name| format!("{{ kind: MeshService, name: {name} }}")),
        name().prop_map(|v| format!("{{ kind: MeshSubset, tags: {{ version: {v} }} }}")),
        (name(), name()).prop_map(|(name, v)| format!(
            "{{ kind: MeshServiceSubset, name: {name}, tags: {{ version: {v} }} }}"
        )),
    ]
}

fn from_item() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec!["Allow", "Deny", "AllowWithShadowDeny"]);
    (source(), action)
        .prop_map(|(target, action)| format!("{{ targetRef: {target}, default: {{ action: {action} }} }}"))
}

fn spiffe_id() -> impl Strategy<Value = String> {
    let sort = prop::sample::select(vec!["Exact", "Prefix"]);
    (sort, name())
        .prop_map(|(sort, name)| format!("spiffeID: {{ type: {sort}, value: spiffe://default/{name} }}"))
}

fn server_name() -> impl Strategy<Value = String> {
    name().prop_map(|name| format!("sni: {{ type: Exact, value: {name} }}"))
}

fn peer() -> impl Strategy<Value = String> {
    prop_oneof![
        spiffe_id().prop_map(|id| format!("{{ {id} }}")),
        server_name().prop_map(|name| format!("{{ {name} }}")),
        (spiffe_id(), server_name()).prop_map(|(id, name)| format!("{{ {id}, {name} }}")),
    ]
}

fn rules_item() -> impl Strategy<Value = String> {
    let list = prop::sample::select(vec!["allow", "deny", "allowWithShadowDeny"]);
    let lists = prop::collection::btree_map(list, prop::collection::vec(peer(), 1..3), 1..4);
    lists.prop_map(|lists| {
        let lists: Vec<String> =
            lists.into_iter().map(|(list, peers)| format!("{list}: [{}]", peers.join(", "))).collect();
        format!("{{ default: {{ {} }} }}", lists.join(", "))
    })
}

fn tags() -> impl Strategy<Value = String> {
    prop_oneof![
        name().prop_map(|name| format!("{{ kuma.io/service: {name} }}")),
        (name(), name()).prop_map(|(s, v)| format!("{{ kuma.io/service: {s}, version: {v} }}")),
        Just("{ kuma.io/service: '*' }".to_owned()),
    ]
}

/// One policy, without its name.
fn policy() -> impl Strategy<Value = String> {
    let of = |list: &'static str, items: BoxedStrategy<String>| {
        let top = prop::sample::select(vec!["kind: Mesh", "kind: MeshSubset, tags: { version: a }"]);
        (top, prop::collection::vec(items, 1..4)).prop_map(move |(top, items)| {
            let items = items.join(", ");
            format!("type: MeshTrafficPermission\nspec: {{ targetRef: {{ {top} }}, {list}: [{items}] }}\n")
        })
    };
    let legacy = (prop::collection::vec(tags(), 1..3), tags()).prop_map(|(sources, destination)| {
        let sources: Vec<String> = sources.iter().map(|tags| format!("{{ match: {tags} }}")).collect();
        let sources = sources.join(", ");
        format!("type: TrafficPermission\nsources: [{sources}]\ndestinations: [{{ match: {destination} }}]\n")
    });
    prop_oneof![3 => of("from", from_item().boxed()), 3 => of("rules", rules_item().boxed()), 1 => legacy]
}

fn permissions(policies: &[String], profile: Profile) -> Permissions {
    let named =
        policies.iter().enumerate().map(|(at, text)| format!("---\nname: p-{at}\nmesh: default\n{text}"));
    let (documents, problems) = read("mesh.yaml", &format!("{WORLD}{}", named.collect::<String>()));
    assert!(problems.is_empty(), "{problems:?}");
    let resources = documents.iter().filter_map(|document| parse_unchecked(document, profile).resource);
    let snapshot = Snapshot::new(resources.collect::<Vec<_>>(), Context::new(profile));
    let proxy = snapshot.proxies().next().unwrap();
    let plan = plan(&snapshot, &proxy.into()).unwrap();
    match &plan.listeners[0].accepts {
        ListenerTls::Mtls(terminated) => terminated.permissions.clone(),
        // profile 3 has no CA of a mesh
        ListenerTls::Plaintext | ListenerTls::ServerName => Permissions::nobody(),
    }
}

/// Envoy's verdict about a certificate: permission, and denial by the shadow rules.
fn envoy_says(filter: &Value, uris: &[&str], server_name: Option<&str>) -> (bool, bool) {
    let config = &filter["typedConfig"];
    if let Some(rules) = config.get("rules") {
        let shadow = config.get("shadowRules");
        return (any_policy(rules, uris), shadow.is_some_and(|shadow| any_policy(shadow, uris)));
    }
    let denied = |matcher: &Value| first_action(matcher, uris, server_name) == Some("DENY");
    (!denied(&config["matcher"]), config.get("shadowMatcher").is_some_and(denied))
}

fn any_policy(rules: &Value, uris: &[&str]) -> bool {
    let policies = rules.get("policies").and_then(Value::as_object);
    let principals = policies.into_iter().flatten().flat_map(|(_, policy)| policy["principals"].as_array());
    principals.flatten().any(|principal| fits(principal, uris))
}

fn fits(principal: &Value, uris: &[&str]) -> bool {
    if let Some(ids) = principal.get("andIds") {
        let ids = ids["ids"].as_array().unwrap();
        assert!(ids.len() > 1);
        return ids.iter().all(|id| fits(id, uris));
    }
    match (principal.get("any"), principal.get("notId")) {
        (Some(any), _) => any.as_bool().unwrap(),
        (_, Some(not)) => !fits(not, uris),
        _ => uris.contains(&principal["authenticated"]["principalName"]["exact"].as_str().unwrap()),
    }
}

/// Action of the first matcher that fits, or else of the end; `None`: the connection is permitted.
fn first_action<'v>(matcher: &'v Value, uris: &[&str], server_name: Option<&str>) -> Option<&'v str> {
    let matchers = matcher.get("matcherList").map(|list| list["matchers"].as_array().unwrap());
    let fitting =
        matchers.into_iter().flatten().find(|matcher| holds(&matcher["predicate"], uris, server_name));
    let action = fitting.map_or(&matcher["onNoMatch"], |matcher| &matcher["onMatch"]);
    action["action"]["typedConfig"].get("action").map(|action| action.as_str().unwrap())
}

fn holds(predicate: &Value, uris: &[&str], server_name: Option<&str>) -> bool {
    let several = |of: &str| {
        let predicates = predicate.get(of)?["predicate"].as_array();
        // Envoy refuses matchers of fewer than two
        predicates.filter(|predicates| predicates.len() > 1)
    };
    if let Some(any) = several("orMatcher") {
        return any.iter().any(|predicate| holds(predicate, uris, server_name));
    }
    if let Some(all) = several("andMatcher") {
        return all.iter().all(|predicate| holds(predicate, uris, server_name));
    }
    let single = &predicate["singlePredicate"];
    let input = match single["input"]["name"].as_str().unwrap() {
        "envoy.matching.inputs.uri_san" => (!uris.is_empty()).then(|| uris.join(",")),
        _ => server_name.map(str::to_owned),
    };
    let value = &single["valueMatch"];
    input.is_some_and(|input| match value.get("prefix") {
        Some(prefix) => input.starts_with(prefix.as_str().unwrap()),
        None => input == value["exact"].as_str().unwrap(),
    })
}

fn certificate() -> impl Strategy<Value = Vec<&'static str>> {
    let uris = vec![
        "spiffe://default/a",
        "spiffe://default/b",
        "spiffe://default/db",
        "spiffe://default/ab",
        "kuma://version/a",
        "kuma://version/b",
        "kuma://kuma.io/service/a",
    ];
    prop::sample::subsequence(uris, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_data_planes_let_in_the_same_peers(
        policies in prop::collection::vec(policy(), 0..4),
        profile in prop::sample::select(Profile::ALL.to_vec()),
        certificates in prop::collection::vec((certificate(), prop::option::of(name())), 1..6),
    ) {
        let permissions = permissions(&policies, profile);
        let filter = envoy::permission_filter(&permissions, "inbound:10.0.0.1:80");
        let law = Law::parse(words::permissions(&permissions)).unwrap();
        for (uris, server_name) in &certificates {
            let verdict = law.decide(&Peer { uris, server_name: *server_name });
            let said = envoy_says(&filter, uris, *server_name);
            prop_assert_eq!((verdict.allowed, verdict.shadow_denied), said, "{:?} {:?}: {}", uris, server_name, filter);
            if verdict.rule.is_none() {
                prop_assert!(!verdict.allowed, "nobody is let in by no rule");
            }
        }
        if permissions.allow_nobody() {
            prop_assert!(certificates.iter().all(|(uris, name)| !envoy_says(&filter, uris, *name).0));
        }
    }
}

/// Two proxies of one mesh, and the permissions of one of them.
const ASKED: &str = "\
type: Mesh
name: default
mtls: { enabledBackend: ca, backends: [{ name: ca, type: builtin }] }
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 10.0.0.1
  inbound: [{ port: 80, servicePort: 8080, tags: { kuma.io/service: web } }]
  outbound: [{ port: 6379, tags: { kuma.io/service: db } }]
---
type: Dataplane
mesh: default
name: db-1
networking:
  address: 10.0.0.2
  inbound: [{ port: 80, servicePort: 8080, tags: { kuma.io/service: db } }]
---
type: MeshTrafficPermission
mesh: default
name: db
spec:
  targetRef: { kind: MeshSubset, tags: { kuma.io/service: db } }
  from:
    - { targetRef: { kind: Mesh }, default: { action: Deny } }
    - { targetRef: { kind: MeshSubset, tags: { kuma.io/service: web } }, default: { action: AllowWithShadowDeny } }
";

#[test]
fn who_asks_beforehand_hears_the_policy_that_decides() {
    let said = |text: &str, from: &str, to: &str| {
        let (documents, _) = read("mesh.yaml", text);
        let resources =
            documents.iter().filter_map(|it| parse_unchecked(it, Profile::V2_14).resource).map(Arc::new);
        let (context, envoy) = (Context::new(Profile::V2_14), EnvoyOptions::default());
        let compiled = Compiler { context, scope: PlanScope::everything(), envoy }.plan_all(resources);
        let permitted = permitted(&compiled, &from.parse().unwrap(), to);
        permitted.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let allowed = "default/web-1 may connect to default/db-1 (inbound:10.0.0.2:80): MeshTrafficPermission db, from[1]; it is \
                   counted as shadow-denied";
    for to in ["db", "db:6379", "db-1", "default/db-1"] {
        assert_eq!(said(ASKED, "default/web-1", to), [allowed], "{to}");
    }
    assert_eq!(
        said(ASKED, "default/db-1", "db"),
        [
            "default/db-1 may not connect to default/db-1 (inbound:10.0.0.2:80): MeshTrafficPermission db, from[0]"
        ]
    );
    assert_eq!(
        said(ASKED, "default/db-1", "web-1"),
        ["default/db-1 may not connect to default/web-1 (inbound:10.0.0.1:80): no permission allows anybody"]
    );
    assert!(said(ASKED, "default/web-1", "nobody").is_empty());
    let plain = ASKED.replace("enabledBackend: ca,", "");
    assert_eq!(
        said(&plain, "default/web-1", "db"),
        [
            "default/web-1 may connect to default/db-1 (inbound:10.0.0.2:80): it takes plaintext from anybody: no mTLS is on for it"
        ]
    );
}

#[test]
fn who_asks_beforehand_hears_who_both_ends_are() {
    let said = |text: &str| {
        let (documents, _) = read("mesh.yaml", text);
        let resources =
            documents.iter().filter_map(|it| parse_unchecked(it, Profile::V2_14).resource).map(Arc::new);
        let (context, envoy) = (Context::new(Profile::V2_14), EnvoyOptions::default());
        let compiled = Compiler { context, scope: PlanScope::everything(), envoy }.plan_all(resources);
        let found = permitted(&compiled, &"default/web-1".parse().unwrap(), "db-1");
        found.into_iter().next().unwrap().handshake
    };
    let of_mesh = said(ASKED).unwrap();
    assert_eq!(of_mesh.client.names[0], "spiffe://default/web");
    assert_eq!(of_mesh.server.names[0], "spiffe://default/db");
    assert_eq!((of_mesh.client.issued_by.as_str(), &of_mesh.refused), ("backend `ca`", &None));
    assert_eq!(of_mesh.server_name.as_deref(), Some("db{mesh=default}"));
    let words = of_mesh.to_string();
    assert!(
        words.contains("the server shows spiffe://default/db, ") && words.contains("neither refuses"),
        "{words}"
    );

    assert_eq!(said(&ASKED.replace("enabledBackend: ca,", "")), None);
}
