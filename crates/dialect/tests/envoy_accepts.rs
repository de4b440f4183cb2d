//! Whatever is said about how connections are treated, a real Envoy accepts it: in both layouts of splits.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use meshtcp_dialect::envoy::{self, EnvoyOptions, EnvoyResources, SplitLayout};
use model::draft::{parse_unchecked, read};
use model::{Profile, ProxyKey};
use plan::{Context, Snapshot, plan};
use serde_json::{Value, json};

const CASES: [&str; 5] = [
    "routing/balancing-health-and-limits-of-a-destination",
    "routing/endpoints-near-the-client-come-first",
    "routing/labels-say-what-happens-to-connections",
    "routing/settings-and-who-said-them",
    "extended/a-gateway-with-matches",
];

/// Finds the Envoy to test with.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MESHTCP_ENVOY") {
        return path.into();
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/envoy/bin/envoy");
    assert!(
        installed.exists(),
        "there is no Envoy to test with: run `cargo xtask envoy`, or set MESHTCP_ENVOY to an Envoy 1.40"
    );
    installed
}

#[test]
fn a_real_envoy_accepts_every_setting() {
    for case in CASES {
        for split in [SplitLayout::Clusters, SplitLayout::Endpoints] {
            accepts(case, split);
        }
    }
}

/// Every load balancer, so that each form of each layout is seen by Envoy.
#[test]
fn a_real_envoy_accepts_every_load_balancer() {
    let balancers = [
        "{ type: RoundRobin }",
        "{ type: LeastRequest, leastRequest: { choiceCount: 3 } }",
        "{ type: Random }",
        "{ type: RingHash, ringHash: { hashFunction: MurmurHash2, minRingSize: 64, maxRingSize: 128 } }",
        "{ type: Maglev, maglev: { tableSize: 251 } }",
    ];
    for (balancer, sticky) in
        balancers.iter().flat_map(|balancer| [(balancer, "none"), (balancer, "source-ip")])
    {
        let text = text("routing/labels-say-what-happens-to-connections");
        let text = text.replace("sticky: source-ip", &format!("sticky: {sticky}"));
        let strategy = format!(
            "---\ntype: MeshLoadBalancingStrategy\nmesh: default\nname: b\nlabels: {{ meshtcp.io/slow-start: 30s }}\nspec:\n  \
             targetRef: {{ kind: Mesh }}\n  to: [ {{ targetRef: {{ kind: Mesh }}, default: {{ loadBalancer: {balancer} }} }} ]\n"
        );
        for split in [SplitLayout::Clusters, SplitLayout::Endpoints] {
            accepted(&format!("{balancer}, {sticky}"), &(text.clone() + &strategy), split);
        }
    }
}

/// Without the TLS of the mesh, whose secrets come from elsewhere.
#[test]
fn a_real_envoy_accepts_rules_with_matches() {
    let text = text("extended/rules-with-matches");
    let (before, mtls) = text.split_once("mtls: ").unwrap();
    let text = format!("{before}{}", mtls.split_once('\n').unwrap().1);
    for split in [SplitLayout::Clusters, SplitLayout::Endpoints] {
        accepted("rules with matches", &text, split);
    }
}

fn text(case: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases").join(case);
    std::fs::read_to_string(folder.join("resources.yaml")).unwrap()
}

fn accepts(case: &str, split: SplitLayout) {
    accepted(case, &text(case), split);
}

fn accepted(case: &str, text: &str, split: SplitLayout) {
    let (documents, problems) = read("resources.yaml", text);
    assert_eq!(problems, []);
    let resources =
        documents.iter().filter_map(|document| parse_unchecked(document, Profile::Extended).resource);
    let snapshot = Snapshot::new(resources, Context::new(Profile::Extended));
    let plan = plan(&snapshot, &ProxyKey::new("default", "web-1").into()).unwrap();
    let resources = envoy::lower(&plan, &EnvoyOptions { split, ..EnvoyOptions::default() });
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("envoy.json");
    std::fs::write(&config, bootstrap(&resources).to_string()).unwrap();
    let output = Command::new(binary())
        .args(["--mode", "validate", "-l", "error", "-c"])
        .arg(&config)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}, {split:?}: {said}\n{}", bootstrap(&resources));
}

/// A bootstrap with everything inline: `--mode validate` asks nobody.
fn bootstrap(resources: &EnvoyResources) -> Value {
    let EnvoyResources { listeners, clusters, endpoints, notes: _ } = resources;
    let clusters: Vec<Value> = clusters
        .iter()
        .map(|(name, tree)| {
            let mut tree = untyped(tree);
            if let Some(assignment) = endpoints.get(name) {
                tree["type"] = "STATIC".into();
                tree["loadAssignment"] = untyped(assignment);
                tree.as_object_mut().unwrap().remove("edsClusterConfig");
            }
            tree
        })
        .collect();
    let listeners: Vec<Value> = listeners.values().map(untyped).collect();
    json!({
        "node": { "id": "web-1", "cluster": "web" },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

fn untyped(tree: &Value) -> Value {
    let mut tree = tree.clone();
    tree.as_object_mut().unwrap().remove("@type");
    tree
}
