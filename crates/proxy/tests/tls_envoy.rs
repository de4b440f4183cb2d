//! TLS with a real Envoy at the other end, as server and as client.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../tls/tests/support/authority.rs"]
mod authority;
mod support;
#[path = "support/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use ::l4::config::Identity;
use authority::Authority;
use serde_json::{Value, json};
use support::{Server, dial, free_address, proxy, wait_until};
use wire::{inbound, outbound};

const WEB: &str = "spiffe://default/web";
const REDIS: &str = "spiffe://default/redis";

/// Envoy with a listener that terminates TLS before an application, and one for plaintext that originates TLS to a
/// server.
struct Envoy {
    child: Child,
    /// Listener that terminates TLS.
    inbound: SocketAddr,
    /// Listener that originates TLS.
    outbound: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MESHTCP_ENVOY") {
        return path.into();
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/envoy/bin/envoy");
    assert!(
        installed.exists(),
        "there is no Envoy to test with: run `cargo xtask test`, or set MESHTCP_ENVOY to an Envoy 1.40"
    );
    installed
}

fn address(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}

fn common(identity: &Identity, ca: &str, name: &Value, version: &str) -> Value {
    json!({
        "tls_params": { "tls_minimum_protocol_version": version, "tls_maximum_protocol_version": version },
        "tls_certificates": [{
            "certificate_chain": { "inline_string": &*identity.chain },
            "private_key": { "inline_string": &*identity.key },
        }],
        "validation_context": {
            "trusted_ca": { "inline_string": ca },
            "match_typed_subject_alt_names": [{ "san_type": "URI", "matcher": name }],
        },
    })
}

fn tls(context: &str, config: &mut Value) -> Value {
    let message =
        format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{context}TlsContext");
    config["@type"] = json!(message);
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": config })
}

fn listener(at: SocketAddr, to: &str, transport: Option<Value>) -> Value {
    let mut chain = json!({ "filters": [{
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": to,
            "cluster": to,
        },
    }] });
    if let Some(transport) = transport {
        chain["transport_socket"] = transport;
    }
    json!({ "name": at.to_string(), "address": address(at), "filter_chains": [chain] })
}

fn cluster(name: &str, at: SocketAddr, transport: Option<Value>) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(at) } }] }],
        },
    });
    if let Some(transport) = transport {
        cluster["transport_socket"] = transport;
    }
    cluster
}

impl Envoy {
    /// Starts it before `app` and `server`; it sends `server_name` to the latter.
    fn start(ca: &Authority, app: SocketAddr, server: SocketAddr, server_name: &str, version: &str) -> Self {
        let (inbound, outbound) = (free_address(), free_address());
        let of_mesh = json!({ "prefix": "spiffe://default/" });
        let accepts = tls(
            "Downstream",
            &mut json!({
                "require_client_certificate": true,
                "common_tls_context": common(&ca.workload(&[REDIS]), &ca.pem, &of_mesh, version),
            }),
        );
        let mut context = common(&ca.workload(&[WEB]), &ca.pem, &json!({ "exact": REDIS }), version);
        context["alpn_protocols"] = json!(["kuma"]);
        let dials = tls("Upstream", &mut json!({ "sni": server_name, "common_tls_context": context }));
        let config = json!({
            "node": { "id": "test", "cluster": "test" },
            "static_resources": {
                "listeners": [listener(inbound, "app", Some(accepts)), listener(outbound, "server", None)],
                "clusters": [cluster("app", app, None), cluster("server", server, Some(dials))],
            },
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("envoy.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let child = Command::new(binary())
            .args(["--disable-hot-restart", "--concurrency", "1", "-l", "error", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("Envoy starts");
        let envoy = Self { child, inbound, outbound, _folder: folder };
        for at in [inbound, outbound] {
            wait_until("Envoy listens", || TcpStream::connect(at).is_ok());
        }
        envoy
    }
}

fn body(length: usize) -> Vec<u8> {
    (0..length as u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Sends a body, ends that half, and gets it back with a suffix.
fn answers(door: SocketAddr) {
    for length in [1, 1 << 20] {
        let mut client = dial(door);
        let mut writer = client.try_clone().unwrap();
        let sending = thread::spawn(move || {
            writer.write_all(&body(length)).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        sending.join().unwrap();
        assert!(answer == [&body(length)[..], b"done"].concat(), "{} bytes of {length}", answer.len());
    }
}

fn app() -> Server {
    Server::start(|mut stream| {
        let mut all = Vec::new();
        if stream.read_to_end(&mut all).is_ok() && !all.is_empty() {
            stream.write_all(&all).unwrap();
            stream.write_all(b"done").unwrap();
        }
    })
}

#[test]
fn bodies_and_ends_go_through_with_envoy_at_either_end_and_any_name_of_a_mesh() {
    let long = format!("{}{{mesh=default}}", "x".repeat(200));
    let cases = [
        ("TLSv1_3", "redis{mesh=default}"),
        ("TLSv1_3", "backend{mesh=m,region=eu,version=v2}"),
        ("TLSv1_3", long.as_str()),
        ("TLSv1_2", "sni.msvc.default.east.backend.80"),
    ];
    for (version, server_name) in cases {
        let (ca, app) = (Authority::new(), app());
        let at = free_address();
        let _inbound = proxy(&inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, true));
        let envoy = Envoy::start(&ca, app.address, at, server_name, version);
        answers(envoy.outbound);
        let door = free_address();
        let _outbound =
            proxy(&outbound(door, envoy.inbound, &ca.workload(&[WEB]), &ca.pem, REDIS, server_name));
        answers(door);
        // without trust neither side gets anything from the other
        let stranger = free_address();
        let other = ca.workload(&["spiffe://other/web"]);
        let _stranger = proxy(&outbound(stranger, envoy.inbound, &other, &ca.pem, REDIS, server_name));
        let mut refused = dial(stranger);
        let _ = refused.write_all(b"let me in");
        let _ = refused.shutdown(Shutdown::Write);
        assert!(!matches!(refused.read(&mut [0]), Ok(1..)));
    }
}
