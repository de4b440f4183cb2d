//! Panic in any part other than a worker: it is reported and counted, that part goes on, and connections are
//! unaffected.
//!
//! Debug builds make a part panic if its name is in a certain file.

#![cfg(debug_assertions)]

use std::io::Write as _;

use rustix::process::Signal;

use crate::backend::{free_ports, serve};
use crate::connection::{Connection, reaches};
use crate::program::{Program, ask, eventually, meshtcp};
use crate::town::Town;

/// Program whose parts can be made to panic.
struct Tripped {
    program: Program,
    admin: String,
    trip: tempfile::NamedTempFile,
}

impl Tripped {
    fn start(arguments: &[&str]) -> Self {
        let trip = tempfile::NamedTempFile::new().unwrap();
        let mut command = meshtcp(arguments.iter().chain(&["--admin", "127.0.0.1:0"]));
        command.env("MESHTCP_TRIP", trip.path()).env("RUST_BACKTRACE", "0");
        let program = Program::start(command);
        let line = program.awaits_text(0, "admin: http://");
        Self { program, admin: line.trim_start_matches("admin: http://").to_owned(), trip }
    }

    fn panics(&self) -> u64 {
        let (_, text) = ask(&self.admin, "/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix("meshtcp_panics_total "));
        line.unwrap_or_else(|| panic!("no number of panics in {text}")).parse().unwrap()
    }

    /// Makes a part panic at its next turn, triggers the turn, and waits until the panic is reported and counted.
    fn trips(&self, part: &str, mut turn: impl FnMut()) {
        let (mark, before) = (self.program.mark(), self.panics());
        writeln!(self.trip.as_file(), "{part}").unwrap();
        // longer than the interval at which the file is read
        std::thread::sleep(std::time::Duration::from_millis(200));
        turn();
        self.program.awaits(mark, part, |line| line.contains("was tripped") && line.contains(part));
        self.program.awaits(mark, part, |line| line.contains("a panic was caught") && line.contains(part));
        eventually("it is counted", || self.panics() == before + 1);
    }
}

#[test]
fn parts_of_up_panic_and_connections_go_on() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    town.route(&[("v1", 1)]);
    let log = town.file("connections.log");
    let mut up = Tripped::start(&["up", &town.path(), "--workers", "2", "--log", log.to_str().unwrap()]);
    eventually("ready", || ask(&up.admin, "/ready").0 == 200);
    let mut open = Connection::open(town.outbound).unwrap();

    let mut next = ["v2", "v1"].into_iter().cycle();
    for part in ["file-watcher", "compile-loop", "compile", "screen"] {
        let version = next.next().unwrap();
        up.trips(part, || town.route(&[(version, 1)]));
        reaches(town.outbound, &[version]);
        open.echo();
        let version = next.next().unwrap();
        town.route(&[(version, 1)]);
        reaches(town.outbound, &[version]);
    }
    up.trips("log-writer", || Connection::open(town.outbound).unwrap().close());
    Connection::open(town.outbound).unwrap().close();
    eventually("lines are written again", || {
        std::fs::read_to_string(&log).is_ok_and(|text| !text.is_empty())
    });
    up.trips("admin", || {
        // this caller may be the one that gets no answer
        let _ = std::net::TcpStream::connect(&up.admin);
    });
    assert_eq!(ask(&up.admin, "/ready").0, 200);
    open.echo();
    up.trips("signals", || up.program.signal(Signal::TERM));
    up.program.awaits_text(0, "leaving:");
    open.echo();
    up.program.signal(Signal::TERM);
    assert_eq!(up.program.ends(), 0);
}

#[test]
fn parts_of_a_control_plane_and_its_proxy_panic_and_both_go_on() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    town.route(&[("v1", 1)]);
    let [xds, api] = free_ports().map(|port| format!("127.0.0.1:{port}"));
    let control_plane =
        Tripped::start(&["control-plane", &town.path(), "--xds", &xds, "--api", &api, "--log-level", "warn"]);
    let proxies: Vec<Tripped> = ["redis-v1", "redis-v2", "web-1"]
        .map(|name| Tripped::start(&["proxy", "--proxy", name, "--control-plane", &xds, "--workers", "1"]))
        .into();
    let web = proxies.last().unwrap();
    reaches(town.outbound, &["v1"]);
    let mut open = Connection::open(town.outbound).unwrap();

    let mut next = ["v2", "v1"].into_iter().cycle();
    let mut change = |tripped: &Tripped, part: &str| {
        let version = next.next().unwrap();
        tripped.trips(part, || town.route(&[(version, 1)]));
        reaches(town.outbound, &[version]);
        open.echo();
    };
    for part in ["file-watcher", "compile-loop", "compile", "screen", "news-of-proxies", "discovery-stream"] {
        change(&control_plane, part);
    }
    change(web, "control-plane-link");
    control_plane.trips("api", || {
        let (status, body) = ask(&api, "/");
        assert_eq!(status, 500, "{body}");
    });
    assert_eq!(ask(&api, "/").0, 200);
    control_plane.trips("api-listener", || assert_eq!(ask(&api, "/").0, 200));
    control_plane.trips("discovery-listener", || drop(std::net::TcpStream::connect(&xds)));
    web.trips("admin", || drop(std::net::TcpStream::connect(&web.admin)));
    assert_eq!(ask(&web.admin, "/ready").0, 200);

    // a configuration that the proxy cannot even parse is refused, and the next one is applied
    let refused = control_plane.program.mark();
    let version = next.next().unwrap();
    writeln!(web.trip.as_file(), "discovery-client").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    town.route(&[(version, 1)]);
    control_plane.program.awaits_text(refused, "because of a fault of its own");
    open.echo();
    let version = next.next().unwrap();
    town.route(&[("v1", 1), ("v2", 1)]);
    town.route(&[(version, 1)]);
    reaches(town.outbound, &[version]);
    open.echo();
}
