//! `meshtcp control-plane` on a village, queried over its admin server.

use serde_json::Value;

use super::{Layout, Village};
use crate::program::{Program, ask, eventually, meshtcp};

pub(super) struct ControlPlane {
    pub(super) program: Program,
    pub(super) xds: String,
    pub(super) admin: String,
}

impl ControlPlane {
    pub(super) fn start(village: &Village, layout: Layout) -> Self {
        Self::start_at(village, layout, "127.0.0.1:0")
    }

    /// Starts one at the address where proxies look for it.
    pub(super) fn start_at(village: &Village, layout: Layout, xds: &str) -> Self {
        Self::start_with(village, &["--xds", xds, "--envoy-split", layout.as_str()])
    }

    /// Starts one with further flags.
    pub(super) fn start_with(village: &Village, more: &[&str]) -> Self {
        Self::start_in(&village.path(), more)
    }

    /// Starts one on any folder, with further flags.
    pub(super) fn start_in(folder: &str, more: &[&str]) -> Self {
        let arguments = ["control-plane", folder, "--admin", "127.0.0.1:0"];
        let program = Program::start(meshtcp(arguments.iter().chain(more)));
        let line = program.awaits_text(0, "discovery: ");
        let xds = line.trim_start_matches("discovery: ").split([',', ' ']).next().unwrap().to_owned();
        let line = program.awaits_text(0, "admin: http://");
        let admin = line.trim_start_matches("admin: http://").to_owned();
        let control_plane = Self { program, xds, admin };
        eventually("the control plane is ready", || ask(&control_plane.admin, "/ready").0 == 200);
        control_plane
    }

    pub(super) fn status(&self) -> Value {
        let (status, body) = ask(&self.admin, "/status");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// State of a proxy of mesh `default`.
    pub(super) fn proxy(&self, name: &str) -> Value {
        let status = self.status();
        let wanted = format!("default/{name}");
        let found =
            status["proxies"].as_array().unwrap().iter().find(|proxy| proxy["proxy"] == wanted.as_str());
        found.cloned().unwrap_or(Value::Null)
    }

    pub(super) fn is_in_sync(&self, proxy: &str) {
        eventually(&format!("{proxy} runs what it should"), || {
            let status = self.proxy(proxy);
            assert_eq!(status["refusals"].as_array().map_or(0, Vec::len), 0, "{:#}", status["refusals"]);
            status["inSync"] == true
        });
    }

    /// Makes a change, then waits until a revision with it is adopted and every proxy concerned runs it. Returns the
    /// rollout.
    pub(super) fn roll_out(&self, change: impl FnOnce()) -> Value {
        let before = self.status()["revision"].as_u64().unwrap();
        change();
        let mut rollout = Value::Null;
        eventually("every proxy runs the change", || {
            let status = self.status();
            rollout = status["rollout"].clone();
            assert_eq!(rollout["refused"].as_array().map_or(0, Vec::len), 0, "{:#}", rollout["refused"]);
            status["revision"].as_u64().unwrap() > before && rollout["live"] == rollout["concerned"]
        });
        rollout
    }

    /// Sum of a metric over its labels.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let (_, body) = ask(&self.admin, "/metrics");
        let lines = body.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}
