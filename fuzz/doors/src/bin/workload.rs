//! Work of a chosen size, for counting instructions: `workload NAME N`; `workload` alone lists the names, each with a
//! size worth measuring.
//!
//! Each workload is one way in which a folder can grow. `tests/growth.rs` asserts that twice the size costs at most 2.2
//! times the work.

use std::fmt::Write as _;

use meshtcp_doors::budget::{change, check, plan_proxy};

type Make = fn(usize) -> String;

/// Size of text workloads. Large enough that the growth of a single buffer does not show in the sum.
const TEXT_SIZE: usize = 256;
/// Size of plan workloads, which cost more per resource.
const PLAN_SIZE: usize = 32;
/// So many that comparing all with all outweighs everything else.
const CHANGE_SIZE: usize = 128;

/// Workloads of text that is parsed and validated.
const TEXTS: [(&str, Make); 9] = [
    ("many-documents", |n| services(n)),
    ("many-backends", |n| route("a", "a", &list(n, |i| format!("{{kind: MeshService, name: s{i}}}")))),
    ("many-unknown-fields", |n| {
        let fields = list(n, |i| format!("unknown{i}: {i}"));
        format!("type: Mesh\nname: default\nrouting: {{{fields}}}\n")
    }),
    ("many-mistakes", |n| {
        route("a", "a", &list(n, |i| format!("{{kind: MeshServce, nme: s{i}, weight: -1}}")))
    }),
    ("many-labels", |n| {
        let labels = list(n, |i| format!("label{i}: value"));
        format!("type: Mesh\nname: default\nlabels: {{{labels}}}\n")
    }),
    ("same-key-again", |n| {
        format!("type: Mesh\nname: default\nrouting: {{{}}}\n", list(n, |_| "zoneEgress: true".into()))
    }),
    ("long-line", |n| {
        format!("type: Mesh\nname: default\nlabels: {{a: '{}', b: [], c: {{}}}}\n", "ö".repeat(n * 20))
    }),
    ("deep", |n| {
        let (open, close) = ("[".repeat(50), "]".repeat(50));
        format!(
            "type: Mesh\nname: default\nlabels: {{{}}}\n",
            list(n, |i| format!("label{i}: {open}{close}"))
        )
    }),
    ("broken-documents", |n| "---\ntype: [\n".repeat(n)),
];

/// Workloads of resources that are planned for the proxy `web-1`.
const PLANS: [(&str, Make); 6] = [
    ("services-and-routes", |n| {
        let outbounds = list(n, |i| format!("{{port: {}, tags: {{kuma.io/service: s{i}}}}}", 20000 + i));
        let routes: String = (0..n).map(|i| route(&format!("r{i}"), &format!("s{i}"), NEXT)).collect();
        client(&outbounds) + &services(n) + &routes
    }),
    ("routes-for-one-service", |n| {
        let routes: String = (0..n).map(|i| route(&format!("r{i}"), "s0", NEXT)).collect();
        client("{port: 20000, tags: {kuma.io/service: s0}}") + &services(1) + &routes
    }),
    ("endpoints-of-one-service", |n| {
        client("{port: 20000, tags: {kuma.io/service: same}}")
            + &services(n).replace("kuma.io/service: s", "kuma.io/service: same, n: s")
    }),
    ("backends-of-one-route", |n| {
        let backends = list(n, |i| format!("{{kind: MeshService, name: s{i}}}"));
        client("{port: 20000, tags: {kuma.io/service: s0}}") + &services(n) + &route("r", "s0", &backends)
    }),
    ("destinations-and-how-they-are-treated", |n| {
        let outbounds = list(n, |i| format!("{{port: {}, tags: {{kuma.io/service: s{i}}}}}", 20000 + i));
        let mut text = client(&outbounds) + &services(n);
        let confs = [
            (
                "MeshLoadBalancingStrategy",
                "localityAwareness: {localZone: {affinityTags: [{key: kuma.io/protocol}]}}",
            ),
            ("MeshHealthCheck", "interval: 5s, tcp: {send: UElORw==}"),
            (
                "MeshCircuitBreaker",
                "connectionLimits: {maxConnections: 9}, outlierDetection: {detectors: {totalFailures: {}}}",
            ),
        ];
        for (i, (kind, conf)) in (0..n).flat_map(|i| confs.map(|conf| (i, conf))) {
            let _ = write!(
                text,
                "---\ntype: {kind}\nmesh: default\nname: t{i}\nspec: {{targetRef: {{kind: Mesh}}, to: [{{targetRef: {{kind: \
                 MeshService, name: s{i}}}, default: {{{conf}}}}}]}}\n"
            );
        }
        text
    }),
    ("resources-and-sections", |n| {
        let outbounds = list(n, |i| {
            format!("{{port: {}, backendRef: {{kind: MeshService, name: m{i}, port: 80}}}}", 20000 + i)
        });
        let mut text = client(&outbounds) + &services(n);
        for i in 0..n {
            let _ = write!(
                text,
                "---\ntype: MeshService\nmesh: default\nname: m{i}\nspec: {{selector: {{dataplaneTags: {{kuma.io/service: s{i}}}}}, \
                 ports: [{{name: sql, port: 80, targetPort: 80, appProtocol: tcp}}]}}\n---\ntype: MeshTCPRoute\nmesh: default\n\
                 name: r{i}\nspec: {{targetRef: {{kind: Mesh}}, to: [{{targetRef: {{kind: MeshService, name: m{i}, sectionName: \
                 sql}}, rules: [{{default: {{backendRefs: [{{kind: MeshService, name: m{i}, port: 80}}]}}}}]}}]}}\n"
            );
        }
        text
    }),
];

/// Resources that are new in an empty mesh.
const CHANGES: [(&str, Make); 3] = [
    ("references-that-lead-nowhere", |n| {
        let backends = list(n, |i| format!("{{kind: MeshService, name: nowhere{i}}}"));
        client("{port: 20000, tags: {kuma.io/service: s0}}") + &services(1) + &route("r", "s0", &backends)
    }),
    ("routes-that-lead-nowhere", |n| {
        let routes: String = (0..n).map(|i| route(&format!("r{i}"), &format!("nowhere{i}"), NEXT)).collect();
        client("{port: 20000, tags: {kuma.io/service: s0}}") + &services(1) + &routes
    }),
    ("outbounds-that-lead-nowhere", |n| {
        let outbounds =
            list(n, |i| format!("{{port: {}, tags: {{kuma.io/service: nowhere{i}}}}}", 20000 + i));
        client(&outbounds) + &services(1)
    }),
];

const NEXT: &str = "{kind: MeshService, name: s0}";

fn list(n: usize, item: impl Fn(usize) -> String) -> String {
    (0..n).map(item).collect::<Vec<_>>().join(", ")
}

fn client(outbounds: &str) -> String {
    format!(
        "type: Mesh\nname: default\n---\ntype: Dataplane\nmesh: default\nname: web-1\nnetworking: {{address: 192.0.2.1, inbound: \
         [{{port: 80, tags: {{kuma.io/service: web}}}}], outbound: [{outbounds}]}}\n"
    )
}

fn services(n: usize) -> String {
    let service = |i: usize| {
        format!(
            "---\ntype: Dataplane\nmesh: default\nname: d{i}\nnetworking: {{address: 192.0.{}.{}, inbound: [{{port: 80, tags: \
             {{kuma.io/service: s{i}, kuma.io/protocol: tcp}}}}]}}\n",
            i / 250,
            1 + i % 250
        )
    };
    (0..n).map(service).collect()
}

fn route(name: &str, to: &str, backends: &str) -> String {
    format!(
        "---\ntype: MeshTCPRoute\nmesh: default\nname: {name}\nspec: {{targetRef: {{kind: Mesh}}, to: [{{targetRef: {{kind: \
         MeshService, name: {to}}}, rules: [{{default: {{backendRefs: [{backends}]}}}}]}}]}}\n"
    )
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, size] = &arguments[..] else {
        TEXTS.iter().for_each(|(name, _)| println!("{name} {TEXT_SIZE}"));
        PLANS.iter().for_each(|(name, _)| println!("{name} {PLAN_SIZE}"));
        CHANGES.iter().for_each(|(name, _)| println!("{name} {CHANGE_SIZE}"));
        return;
    };
    let n = size.parse().unwrap_or(0);
    if let Some((_, make)) = TEXTS.iter().find(|(known, _)| known == name) {
        check(&make(n));
    } else if let Some((_, make)) = PLANS.iter().find(|(known, _)| known == name) {
        plan_proxy(&make(n), "default/web-1");
    } else if let Some((_, make)) = CHANGES.iter().find(|(known, _)| known == name) {
        change("type: Mesh\nname: default\n", &make(n));
    } else {
        eprintln!("there is no workload called {name}");
        std::process::exit(2);
    }
}
