//! `meshtcp proxy --takeover`: one process after another at the same control plane, unnoticed by connections.

use super::village::{route, version};
use super::{ControlPlane, Layout, Village};
use crate::backend::free_ports;
use crate::connection::{Connection, reaches};
use crate::program::{Program, Up, eventually, meshtcp};
use crate::takeover::{Crowd, who_leaves_is_followed};

#[test]
fn under_load_no_connection_is_refused_and_none_is_cut() {
    let village = Village::new();
    village.save("route.yaml", &route(&[version("v1", 1), version("v2", 1)]));
    let control_plane = ControlPlane::start(&village, Layout::Endpoints);
    let [admin] = free_ports();
    let (admin, path) = (format!("127.0.0.1:{admin}"), village.file("takeover"));
    let start = |workers: &str| {
        let arguments = ["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds];
        let further = ["--admin", &admin, "--workers", workers, "--drain-time", "10m"];
        let takeover = ["--takeover", path.to_str().unwrap()];
        let program = Program::start(meshtcp(arguments.iter().chain(&further).chain(&takeover)));
        Up { program, admin: admin.clone() }
    };
    let mut running = start("2");
    running.program.awaits_text(0, "admin: http://");
    running.is_ready();
    reaches(village.outbound, &["v1", "v2"]);
    let crowd = Crowd::start(village.outbound);
    let mut open: Vec<Connection> = Vec::new();
    let mut left: Vec<Up> = Vec::new();
    // more workers, then fewer than there are sockets
    for workers in ["3", "1"] {
        open.extend((0..5).map(|_| Connection::open(village.outbound).unwrap()));
        crowd.goes_on();
        eventually("a successor is waited for", || path.exists());
        let next = start(workers);
        next.program.awaits_text(0, "taken over");
        running.program.awaits_text(0, "another process took over");
        crowd.goes_on();
        open.iter_mut().for_each(Connection::echo);
        next.is_ready();
        // connections accepted by the old process stay with it to their end
        assert!(running.program.is_running());
        left.push(std::mem::replace(&mut running, next));
    }
    // the process that took over follows the control plane
    control_plane.roll_out(|| village.save("route.yaml", &route(&[version("v1", 0), version("v2", 1)])));
    reaches(village.outbound, &["v2"]);
    open.into_iter().for_each(Connection::close);
    left.iter_mut().for_each(|old| assert_eq!(old.program.ends(), 0));
    crowd.goes_on();
    assert_eq!(crowd.end(), Vec::<String>::new());
}

#[test]
fn who_leaves_answers_until_somebody_follows_and_then_the_one_that_follows_does() {
    let village = Village::new();
    village.save("route.yaml", &route(&[version("v1", 1), version("v2", 1)]));
    let control_plane = ControlPlane::start(&village, Layout::Endpoints);
    let [admin] = free_ports();
    let (admin, path) = (format!("127.0.0.1:{admin}"), village.file("takeover"));
    who_leaves_is_followed(village.outbound, path.to_str().unwrap(), |further| {
        let arguments =
            ["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds, "--admin", &admin];
        let program =
            Program::start(meshtcp(arguments.iter().chain(&["--drain-time", "10m"]).chain(further)));
        Up { program, admin: admin.clone() }
    });
}
