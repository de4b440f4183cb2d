//! Foreign server at the address where a control plane of ours was expected.

use std::path::Path;

use serde_json::Value;

use super::foreign::{Answers, Foreign, NAME};
use super::village::{route, service};
use super::{ControlPlane, Layout, Village};
use crate::connection::{Connection, reaches};
use crate::program::{Program, ask, eventually, meshtcp};

/// Proxy of ours with its admin server.
struct Proxy {
    program: Program,
    admin: String,
}

impl Proxy {
    fn start(name: &str, control_planes: &str, state: &Path) -> Self {
        let state = state.to_str().unwrap();
        let arguments = ["proxy", "--proxy", name, "--control-plane", control_planes, "--state", state];
        let program =
            Program::start(meshtcp(arguments.iter().chain(&["--admin", "127.0.0.1:0", "--workers", "1"])));
        let line = program.awaits_text(0, "admin: http://");
        let admin = line.trim_start_matches("admin: http://").to_owned();
        Self { program, admin }
    }

    fn link(&self) -> Value {
        let (_, body) = ask(&self.admin, "/status");
        serde_json::from_str::<Value>(&body).unwrap()["controlPlane"].take()
    }
}

/// Connects a running proxy and a starting one to a stranger, and then to a control plane of ours.
fn what_runs_goes_on(answers: Answers, said: &str) {
    let village = Village::new();
    village.save("route.yaml", &route(&[service("next", 1)]));
    let control_plane = ControlPlane::start(&village, Layout::Endpoints);
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("state");
    let runs = Proxy::start("web-1", &control_plane.xds, &kept);
    control_plane.is_in_sync("web-1");
    let port = village.outbound;
    reaches(port, &["next"]);
    let mut open: Vec<Connection> = (0..5).map(|_| Connection::open(port).unwrap()).collect();
    let state = std::fs::read(&kept).unwrap();

    let xds = control_plane.xds.clone();
    let mark = runs.program.mark();
    drop(control_plane);
    let stranger = Foreign::start(&xds, answers);
    let line = runs.program.awaits_text(mark, said);
    assert!(line.contains(&xds) && line.contains("what runs goes on"), "{line}");
    let starts = Proxy::start("edge-1", &xds, &folder.path().join("other"));
    starts.program.awaits_text(0, said);
    let (ready, why) = ask(&starts.admin, "/ready");
    assert!(ready == 503 && why.contains(said), "{ready} {why}");
    assert!(!folder.path().join("other").exists(), "nothing came that could be kept");
    if answers != Answers::NoMethod {
        let streams = |proxy: &Proxy| proxy.link()["streams"].as_u64().unwrap();
        let before = streams(&runs);
        eventually("it has asked again", || streams(&runs) > before);
    }
    assert_eq!(runs.program.printed().matches(said).count(), 1, "{}", runs.program.printed());
    let link = runs.link();
    assert_eq!(link["connected"], false, "{link}");
    assert!(link["error"].as_str().unwrap().contains(said), "{link}");
    if said == NAME {
        assert_eq!(link["identifier"], NAME, "{link}");
    }
    assert_eq!(ask(&runs.admin, "/ready").0, 200);
    reaches(port, &["next"]);
    open.iter_mut().for_each(Connection::echo);
    assert_eq!(std::fs::read(&kept).unwrap(), state);

    drop(stranger);
    let control_plane = ControlPlane::start_at(&village, Layout::Endpoints, &xds);
    control_plane.is_in_sync("web-1");
    control_plane.is_in_sync("edge-1");
    control_plane.roll_out(|| village.save("route.yaml", &route(&[service("ledger", 1)])));
    reaches(port, &["v1", "v2"]);
    open.iter_mut().for_each(Connection::echo);
    assert!(runs.link()["identifier"].as_str().unwrap().starts_with("meshtcp@"));
}

#[test]
fn one_that_says_that_all_is_gone_is_not_believed() {
    what_runs_goes_on(Answers::Nothing, NAME);
}

#[test]
fn one_that_says_so_in_our_manner_is_not_believed() {
    what_runs_goes_on(Answers::NothingInOurManner, "no `control_plane.identifier`");
}

#[test]
fn one_that_knows_half_of_it_is_not_believed() {
    what_runs_goes_on(Answers::Half, NAME);
}

#[test]
fn one_that_speaks_of_something_else_is_not_believed() {
    what_runs_goes_on(Answers::Otherwise, NAME);
}

#[test]
fn one_that_does_not_serve_discovery_changes_nothing() {
    what_runs_goes_on(Answers::NoMethod, "is not where proxies attach");
}

#[test]
fn of_several_the_one_of_ours_is_found() {
    let village = Village::new();
    village.save("route.yaml", &route(&[service("next", 1)]));
    let control_plane = ControlPlane::start(&village, Layout::Endpoints);
    let [port] = crate::backend::free_ports();
    let strange = format!("127.0.0.1:{port}");
    let _stranger = Foreign::start(&strange, Answers::Nothing);
    let folder = tempfile::tempdir().unwrap();
    let both = format!("{strange},{}", control_plane.xds);
    // each proxy draws the control plane that it tries first
    for _ in 0..4 {
        let proxy = Proxy::start("web-1", &both, &folder.path().join("state"));
        proxy.program.awaits_text(0, "connected to the control plane");
        eventually("it runs", || ask(&proxy.admin, "/ready").0 == 200);
        reaches(village.outbound, &["next"]);
    }
}

#[test]
fn a_state_that_was_emptied_or_cut_is_not_run() {
    let village = Village::new();
    village.save("route.yaml", &route(&[service("next", 1)]));
    let control_plane = ControlPlane::start(&village, Layout::Endpoints);
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("state");
    let proxy = Proxy::start("web-1", &control_plane.xds, &kept);
    control_plane.is_in_sync("web-1");
    let xds = control_plane.xds.clone();
    drop((proxy, control_plane));
    let state = std::fs::read(&kept).unwrap();
    for end in [0, state.len() / 2] {
        std::fs::write(&kept, &state[..end]).unwrap();
        let proxy = Proxy::start("web-1", &xds, &kept);
        proxy.program.awaits_text(0, "damaged");
        assert_eq!(ask(&proxy.admin, "/ready").0, 503);
    }
}
