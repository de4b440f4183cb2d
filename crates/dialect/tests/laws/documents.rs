//! Documents of a small mesh, with names from a tiny alphabet.

use proptest::prelude::*;

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
            "meshtcp.io/data-path: kernel",
            "meshtcp.io/data-path: relay",
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

/// Verification of a service outside the mesh.
fn verification() -> impl Strategy<Value = String> {
    let mode = prop::sample::select(vec!["Secured", "SkipSAN", "SkipCA", "SkipAll"]);
    let more = prop::sample::subsequence(
        vec![
            "serverName: db.example.com",
            "subjectAltNames: [ { type: Prefix, value: db } ]",
            "caCert: { secret: ca }",
            "clientCert: { secret: own }, clientKey: { secret: key }",
        ],
        0..4,
    );
    (mode, more).prop_map(|(mode, more)| [&[&*format!("mode: {mode}")], &more[..]].concat().join(", "))
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
        (name(), verification()).prop_map(|(name, verification)| format!(
            "type: MeshExternalService\nmesh: default\nname: {name}\nspec:\n  match: {{ type: HostnameGenerator, port: 80, \
             protocol: tcp }}\n  endpoints: [ {{ address: {name}.example.com, port: 80 }} ]\n  tls: {{ enabled: true, version: {{ \
             max: TLS11 }}, verification: {{ {verification} }} }}\n"
        )),
        (name(), verification()).prop_map(|(name, verification)| format!(
            "type: MeshExternalService\nmesh: default\nname: {name}\nspec:\n  match: {{ type: HostnameGenerator, port: 80, \
             protocol: tcp }}\n  endpoints: [ {{ address: 192.0.2.1, port: 80 }} ]\n  tls: {{ enabled: true, verification: {{ \
             {verification} }} }}\n"
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
        Just("type: Dataplane\nmesh: default\nname: border\nnetworking: { address: 10.0.0.7, listeners: [ { type: ZoneIngress, \
              port: 10001 }, { type: ZoneEgress, port: 10002, name: out } ] }\n---\ntype: MeshIdentity\nmesh: default\nname: \
              all\nspec: { selector: { dataplane: { matchLabels: {} } }, provider: { type: Bundled, bundled: { autogenerate: { \
              enabled: true } } } }\n"
            .to_owned()),
        Just("type: ZoneEgress\nname: e\nnetworking: { address: 10.9.0.1, port: 10002 }\n".to_owned()),
        (name(), name()).prop_map(|(service, version)| format!(
            "type: ZoneIngress\nname: i\nzone: east\nnetworking: {{ address: 10.1.0.2, port: 10001, advertisedAddress: \
             198.51.100.4, advertisedPort: 20001 }}\navailableServices: [ {{ mesh: default, instances: 2, tags: {{ \
             kuma.io/service: {service}, version: {version}, kuma.io/zone: east }} }} ]\n"
        )),
    ]
}

/// Policies about destinations.
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
        ("MeshCircuitBreaker", "outlierDetection: { detectors: { successRate: { minimumHosts: 3 } } }"),
        ("MeshHealthCheck", "interval: 5s, reuseConnection: false, tcp: {}"),
        ("MeshAccessLog", "backends: [ { type: Tcp, tcp: { address: '127.0.0.1:9000' } } ]"),
        ("MeshAccessLog", "backends: [ { type: File, file: { path: /tmp/a } } ]"),
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

/// Up to sixteen documents, a client and a gateway.
pub(crate) fn documents() -> impl Strategy<Value = Vec<String>> {
    let some = |n| prop::collection::vec(prop_oneof![route(), dataplane(), other(), treatment()], 0..n);
    some(16).prop_map(|mut documents| {
        documents.extend([CLIENT.to_owned(), GATEWAY.to_owned()]);
        documents
    })
}
