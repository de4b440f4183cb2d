//! Laws that hold for any resources, in every profile and dialect. Names come from a tiny alphabet, so that they meet.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use std::collections::BTreeSet;

use meshtcp_dialect::envoy::{self, EnvoyOptions, SplitLayout};
use meshtcp_dialect::l4;
use model::draft::{parse_unchecked, read};
use model::{Profile, Resource};
use plan::{Backend, Context, Fate, Plan, Snapshot, plan, shares};
use proptest::prelude::*;
use serde_json::Value;

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn weight() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", ", weight: 0", ", weight: 1", ", weight: 9", ", weight: 4294967295"])
        .prop_map(str::to_owned)
}

fn backend_ref() -> impl Strategy<Value = String> {
    let reference = prop_oneof![
        name().prop_map(|name| format!("kind: MeshService, name: {name}")),
        name().prop_map(|name| format!("kind: MeshService, name: {name}, port: 80")),
        name().prop_map(|name| format!("kind: MeshService, labels: {{ team: {name} }}, port: 80")),
        (name(), name())
            .prop_map(|(name, v)| format!("kind: MeshServiceSubset, name: {name}, tags: {{ version: {v} }}")),
        name().prop_map(|name| format!("kind: MeshExternalService, name: {name}")),
    ];
    (reference, weight()).prop_map(|(reference, weight)| format!("{{ {reference}{weight} }}"))
}

fn route() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["MeshTCPRoute", "MeshTCPRoute", "MeshHTTPRoute"]);
    let label = prop::sample::select(vec!["spill", "refuse", "reference"]);
    let others = prop::sample::subsequence(
        vec![
            "meshtcp.io/sticky: source-ip",
            "meshtcp.io/existing: drain-excess",
            "meshtcp.io/existing: close",
            "meshtcp.io/retry-other-side: 'true'",
            "meshtcp.io/drain-grace: 5m",
            "meshtcp.io/max-connection-age: 1h",
            "meshtcp.io/tcp-keepalive: 60s",
            "meshtcp.io/tcp-keepalive: 1s",
            "meshtcp.io/tcp-user-timeout: 30s",
            "meshtcp.io/proxy-protocol: v1",
            "meshtcp.io/proxy-protocol: v2",
        ],
        0..4,
    )
    .prop_map(|mut labels: Vec<&str>| {
        labels.dedup_by_key(|label| label.split(':').next());
        labels.iter().map(|label| format!(", {label}")).collect::<String>()
    });
    let to = prop_oneof![
        name().prop_map(|name| format!("{{ kind: MeshService, name: {name} }}")),
        name().prop_map(|name| format!("{{ kind: MeshService, labels: {{ team: {name} }} }}")),
        Just("{ kind: Mesh }".to_owned()),
    ];
    (kind, name(), (label, others), to, prop::collection::vec(backend_ref(), 1..4)).prop_map(
        |(kind, name, (label, others), to, refs)| {
            let refs = refs.join(", ");
            format!(
                "type: {kind}\nmesh: default\nname: {name}\nlabels: {{ meshtcp.io/on-unavailable: {label}{others} }}\nspec:\n  \
                 targetRef: {{ kind: Mesh }}\n  to: [ {{ targetRef: {to}, rules: [ {{ default: {{ backendRefs: [ {refs} ] }} }} ] }} ]\n"
            )
        },
    )
}

fn dataplane() -> impl Strategy<Value = String> {
    let protocol = prop::sample::select(vec!["tcp", "http", "kafka", "grpc", "tls"]);
    (name(), name(), name(), protocol, 1..4u8).prop_map(|(name, service, version, protocol, host)| {
        format!(
            "type: Dataplane\nmesh: default\nname: {name}\nlabels: {{ team: {version} }}\nnetworking:\n  address: 10.0.0.{host}\n  \
             inbound: [ {{ port: 80, tags: {{ kuma.io/service: {service}, version: {version}, kuma.io/protocol: {protocol} }} }} ]\n"
        )
    })
}

fn other() -> impl Strategy<Value = String> {
    prop_oneof![
        (name(), name()).prop_map(|(name, team)| format!(
            "type: MeshService\nmesh: default\nname: {name}\nlabels: {{ team: {team} }}\nspec:\n  selector: {{ dataplaneTags: {{ \
             kuma.io/service: {name} }} }}\n  ports: [ {{ port: 80, appProtocol: tcp }} ]\n"
        )),
        name().prop_map(|name| format!(
            "type: MeshExternalService\nmesh: default\nname: {name}\nspec:\n  match: {{ type: HostnameGenerator, port: 80, \
             protocol: tcp }}\n  endpoints: [ {{ address: {name}.example.com, port: 80 }}, {{ address: 192.0.2.1, port: 80 }} ]\n"
        )),
        name().prop_map(|name| format!(
            "type: ExternalService\nmesh: default\nname: {name}\ntags: {{ kuma.io/service: {name} }}\nnetworking: {{ address: \
             '{name}.example.com:80' }}\n"
        )),
        (name(), name()).prop_map(|(name, version)| format!(
            "type: TrafficRoute\nmesh: default\nname: {name}\nsources: [ {{ match: {{ kuma.io/service: '*' }} }} ]\n\
             destinations: [ {{ match: {{ kuma.io/service: {name} }} }} ]\nconf: {{ split: [ {{ weight: 1, destination: {{ \
             kuma.io/service: '*', version: {version} }} }}, {{ weight: 0, destination: {{ kuma.io/service: {name} }} }} ] }}\n"
        )),
        prop::bool::ANY.prop_map(|permissive| format!(
            "type: Mesh\nname: default\nmtls: {{ enabledBackend: ca, backends: [ {{ name: ca, type: builtin, mode: {} }} ] }}\n\
             routing: {{ zoneEgress: {permissive} }}\n",
            if permissive { "PERMISSIVE" } else { "STRICT" }
        )),
        Just("type: ZoneEgress\nname: e\nnetworking: { address: 10.9.0.1, port: 10002 }\n".to_owned()),
        (name(), name()).prop_map(|(service, version)| format!(
            "type: ZoneIngress\nname: i\nzone: east\nnetworking: {{ address: 10.1.0.2, port: 10001, advertisedAddress: \
             198.51.100.4, advertisedPort: 20001 }}\navailableServices: [ {{ mesh: default, instances: 2, tags: {{ \
             kuma.io/service: {service}, version: {version}, kuma.io/zone: east }} }} ]\n"
        )),
    ]
}

/// What is said about how destinations are treated.
fn treatment() -> impl Strategy<Value = String> {
    let said = prop::sample::select(vec![
        ("MeshLoadBalancingStrategy", "loadBalancer: { type: RoundRobin }"),
        (
            "MeshLoadBalancingStrategy",
            "loadBalancer: { type: LeastRequest, leastRequest: { choiceCount: 4 } }",
        ),
        ("MeshLoadBalancingStrategy", "loadBalancer: { type: Random }"),
        ("MeshLoadBalancingStrategy", "loadBalancer: { type: RingHash, ringHash: { minRingSize: 64 } }"),
        ("MeshLoadBalancingStrategy", "loadBalancer: { type: Maglev, maglev: { tableSize: 251 } }"),
        ("MeshLoadBalancingStrategy", "localityAwareness: { disabled: true }"),
        (
            "MeshLoadBalancingStrategy",
            "localityAwareness: { localZone: { affinityTags: [ { key: version }, { key: team } ] }, crossZone: { failover: [ { \
             to: { type: Only, zones: [ east ] } } ], failoverThreshold: { percentage: '33.3' } } }",
        ),
        ("MeshHealthCheck", "interval: 5s, tcp: {}"),
        ("MeshHealthCheck", "unhealthyThreshold: 2, healthyPanicThreshold: 10, failTrafficOnPanic: true"),
        ("MeshHealthCheck", "tcp: { disabled: true }"),
        ("MeshCircuitBreaker", "connectionLimits: { maxConnections: 9 }"),
        ("MeshCircuitBreaker", "connectionLimits: { maxPendingRequests: 2 }"),
        ("MeshCircuitBreaker", "outlierDetection: { detectors: { totalFailures: { consecutive: 3 } } }"),
        ("MeshCircuitBreaker", "outlierDetection: { detectors: { successRate: {} } }"),
        ("MeshTimeout", "connectionTimeout: 1s, idleTimeout: 1h"),
    ]);
    let to = prop_oneof![
        name().prop_map(|name| format!("{{ kind: MeshService, name: {name} }}")),
        Just("{ kind: Mesh }".to_owned()),
    ];
    (said, name(), to).prop_map(|((kind, conf), name, to)| {
        format!(
            "type: {kind}\nmesh: default\nname: {name}\nlabels: {{ meshtcp.io/slow-start: 10s }}\nspec:\n  targetRef: {{ kind: Mesh \
             }}\n  to: [ {{ targetRef: {to}, default: {{ {conf} }} }} ]\n"
        )
    })
}

const CLIENT: &str = "type: Dataplane\nmesh: default\nname: client\nnetworking:\n  address: 10.0.0.9\n  inbound: [ { port: 81, \
    tags: { kuma.io/service: client } } ]\n  outbound:\n    - { port: 1, tags: { kuma.io/service: a } }\n    - { port: 2, tags: \
    { kuma.io/service: b, version: a } }\n    - { port: 3, backendRef: { kind: MeshService, name: a, port: 80 } }\n    - { port: \
    4, backendRef: { kind: MeshExternalService, name: b, port: 80 } }\n";

const GATEWAY: &str = "type: Dataplane\nmesh: default\nname: gateway\nnetworking: { address: 10.0.0.8, gateway: { type: BUILTIN, \
    tags: { kuma.io/service: edge } } }\n---\ntype: MeshGateway\nmesh: default\nname: edge\nselectors: [ { match: { \
    kuma.io/service: edge } } ]\nconf: { listeners: [ { port: 5432, protocol: TCP }, { port: 443, protocol: TLS, hostname: \
    '*.example.com', tls: { mode: PASSTHROUGH } } ] }\n";

fn documents() -> impl Strategy<Value = Vec<String>> {
    let some = |n| prop::collection::vec(prop_oneof![route(), dataplane(), other(), treatment()], 0..n);
    some(16).prop_map(|mut documents| {
        documents.extend([CLIENT.to_owned(), GATEWAY.to_owned()]);
        documents
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(Profile::ALL.to_vec())
}

fn resources(documents: &[String], profile: Profile) -> Vec<Resource> {
    let (documents, problems) = read("resources.yaml", &documents.join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    documents.iter().filter_map(|document| parse_unchecked(document, profile).resource).collect()
}

fn plans(resources: Vec<Resource>, profile: Profile) -> Vec<Plan> {
    // Where a resource was written takes no part in what is planned.
    let forget = |mut resource: Resource| {
        resource.meta.source = "".into();
        resource
    };
    let snapshot = Snapshot::new(resources.into_iter().map(forget), Context::new(profile));
    snapshot.proxies().map(|proxy| plan(&snapshot, &proxy.into()).unwrap()).collect()
}

fn splits(plan: &Plan) -> impl Iterator<Item = &[Backend]> {
    plan.listeners.iter().flat_map(|listener| listener.routes()).map(|route| route.split.as_slice())
}

/// Every member with this name, wherever it is.
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
                    if let Fate::Routed { cluster, .. } = &backend.fate {
                        prop_assert!(backend.weight > 0 && plan.clusters.contains_key(cluster), "{backend:?}");
                    }
                }
            }
            for route in plan.listeners.iter().filter(|it| it.destination().is_some()).flat_map(|it| it.routes()) {
                let nothing = route.split.iter().all(|b| matches!(b.fate, Fate::Spilled(_)));
                prop_assert_eq!(nothing, route.refusal.is_some(), "{:?}", route);
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
                            prop_assert!(told.clusters.contains_key(target) || target == "kuma.io/unresolved-backend");
                        }
                    }
            }
        }
    }

    #[test]
    fn our_proxy_is_told_whole_things((documents, profile) in (documents(), profile())) {
        for plan in plans(resources(&documents, profile), profile) {
            let l4::L4Resources { listeners, routes, clusters, endpoints, notes: _ } = l4::lower(&plan);
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
}
