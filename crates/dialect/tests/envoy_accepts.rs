//! A real Envoy accepts all connection settings, in both layouts of splits.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

#[path = "../../l4/tests/support/hello.rs"]
mod hello;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hello::client_hello;
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

/// Tries every load balancer, so that Envoy sees each form of each layout.
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

/// Builds a bootstrap with everything inline: `--mode validate` connects to nothing.
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

/// Envoy that carries connections by a plan. It ends with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server that sends its letter first, and returns its address.
fn server(letter: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(&[letter]);
            // the client's bytes stay unread until it has left
            std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
        }
    });
    address
}

/// Letter of the server that a client reaches that sends these bytes, or none.
fn reached(at: SocketAddr, says: &[u8]) -> char {
    let mut client = TcpStream::connect(at).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client.write_all(says).unwrap();
    let mut letter = [b'-'];
    client.read_exact(&mut letter).unwrap();
    char::from(letter[0])
}

/// The first rule that fits decides in Envoy too, though it looks for the most exact filter chain and never goes
/// back.
#[test]
fn a_real_envoy_carries_connections_by_matches() {
    // at an address that no client dials from: a client of a free port could be connected with itself
    let free = || TcpListener::bind("127.9.9.9:0").unwrap().local_addr().unwrap();
    let (by_name, by_source) = (free(), free());
    let mut text = format!(
        "type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.2\n  inbound: [ {{ port: 80, tags: {{ kuma.io/service: web }} }} ]\n  \
         outbound:\n    - {{ address: 127.9.9.9, port: {}, tags: {{ kuma.io/service: r }} }}\n    - {{ address: 127.9.9.9, port: {}, tags: {{ kuma.io/service: q }} }}\n",
        by_name.port(),
        by_source.port()
    );
    for letter in ["s", "m", "w", "r", "q"] {
        let at = server(letter.as_bytes()[0]);
        text += &format!(
            "---\ntype: Dataplane\nmesh: default\nname: {letter}-1\nnetworking:\n  address: 127.0.0.1\n  \
             inbound: [ {{ port: {}, tags: {{ kuma.io/service: {letter} }} }} ]\n",
            at.port()
        );
    }
    let rule = |matched: &str, to: &str| {
        format!(
            "{{ matches: [ {{ {matched} }} ], default: {{ backendRefs: [ {{ kind: MeshService, name: {to} }} ] }} }}"
        )
    };
    let route = |service: &str, rules: &[String]| {
        format!(
            "---\ntype: MeshTCPRoute\nmesh: default\nname: to-{service}\nspec:\n  targetRef: {{ kind: Mesh }}\n  to:\n    \
             - targetRef: {{ kind: MeshService, name: {service} }}\n      rules: [ {} ]\n",
            rules.join(", ")
        )
    };
    text += &route(
        "r",
        &[
            rule("serverName: '*.example.com', sourceCIDR: 127.5.0.0/16", "s"),
            rule("serverName: '*.example.com', sourceCIDR: 127.0.0.1", "w"),
            rule("serverName: db.example.com, sourceCIDR: 127.5.0.0/16", "s"),
            rule("serverName: www.example.com", "m"),
        ],
    );
    text += &route("q", &[rule("sourceCIDR: 127.5.0.0/16", "s"), rule("sourceCIDR: 127.0.0.0/8", "w")]);
    let (documents, problems) = read("resources.yaml", &text);
    assert_eq!(problems, []);
    let resources: Vec<_> = documents
        .iter()
        .map(|document| parse_unchecked(document, Profile::Extended).resource.unwrap())
        .collect();
    let snapshot = Snapshot::new(resources, Context::new(Profile::Extended));
    let plan = plan(&snapshot, &ProxyKey::new("default", "web-1").into()).unwrap();
    for split in [SplitLayout::Clusters, SplitLayout::Endpoints] {
        let mut resources = envoy::lower(&plan, &EnvoyOptions { split, ..EnvoyOptions::default() });
        resources.listeners.retain(|name, _| name.starts_with("outbound"));
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("envoy.json");
        std::fs::write(&config, bootstrap(&resources).to_string()).unwrap();
        let child = Command::new(binary())
            .args(["-l", "off", "--disable-hot-restart", "--concurrency", "1", "-c"])
            .arg(&config)
            .spawn()
            .unwrap();
        let _running = Running(child);
        let begun = Instant::now();
        while TcpStream::connect(by_name).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "Envoy does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        // the rule of the exact name does not fit: the wildcard's does
        assert_eq!(reached(by_name, &client_hello("db.example.com")), 'w');
        assert_eq!(reached(by_name, &client_hello("www.example.com")), 'm');
        assert_eq!(reached(by_name, &client_hello("example.org")), 'r');
        assert_eq!(reached(by_name, b"PING\r\n"), 'r');
        let begun = Instant::now();
        assert_eq!(reached(by_name, b""), 'r');
        assert!(begun.elapsed() >= Duration::from_millis(250), "a hello was waited for");
        assert_eq!(reached(by_source, b""), 'w');
    }
}
