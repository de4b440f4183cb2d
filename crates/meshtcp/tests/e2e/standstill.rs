//! Reader of the output that stops reading: lines are lost, and connections, changes and exit are unaffected.

use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::backend::{free_ports, serve};
use crate::connection::{Connection, reaches};
use crate::program::{Program, ask, eventually, meshtcp};
use crate::town::Town;

/// Program whose output is no longer read from some moment on.
struct Unread(Child);

impl Unread {
    fn start<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self(meshtcp(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Ends it by SIGTERM; panics if it takes too long.
    fn leaves(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it waits for whoever reads");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn served() -> Town {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    town.route(&[("v1", 1), ("v2", 0)]);
    town
}

/// Causes more log lines than a pipe holds.
fn fill(outbound: u16) {
    for _ in 0..400 {
        Connection::open(outbound).unwrap().close();
    }
}

#[test]
fn up_goes_on_and_ends_though_nobody_reads_its_output() {
    let town = served();
    let [admin] = free_ports();
    let admin = format!("127.0.0.1:{admin}");
    let up = Unread::start(["up", &town.path(), "--log", "-", "--admin", &admin, "--drain-time", "100ms"]);
    reaches(town.outbound, &["v1"]);
    fill(town.outbound);
    eventually("lines are dropped and counted", || {
        fill(town.outbound);
        let metrics = ask(&admin, "/metrics").1;
        metrics.lines().any(|line| {
            line.strip_prefix("meshtcp_log_lines_dropped_total ").is_some_and(|count| count != "0")
        })
    });
    town.route(&[("v1", 0), ("v2", 1)]);
    reaches(town.outbound, &["v2"]);
    up.leaves();
}

#[test]
fn a_proxy_takes_changes_and_ends_though_nobody_reads_its_output() {
    let town = served();
    let control_plane = Program::start(meshtcp(["control-plane", &town.path(), "--xds", "127.0.0.1:0"]));
    let line = control_plane.awaits_text(0, "discovery: ");
    let xds = line.trim_start_matches("discovery: ").split(',').next().unwrap();
    let follows = |name| {
        Unread::start([
            "proxy",
            "--proxy",
            name,
            "--control-plane",
            xds,
            "--log",
            "-",
            "--drain-time",
            "100ms",
        ])
    };
    let web = follows("web-1");
    let _redis = ["redis-v1", "redis-v2"].map(follows);
    reaches(town.outbound, &["v1"]);
    fill(town.outbound);
    town.route(&[("v1", 0), ("v2", 1)]);
    reaches(town.outbound, &["v2"]);
    web.leaves();
}

#[test]
fn a_reader_that_comes_back_finds_whole_lines() {
    let town = served();
    let mut up = Unread::start(["up", &town.path(), "--log", "-", "--drain-time", "100ms"]);
    reaches(town.outbound, &["v1"]);
    fill(town.outbound);
    let mut output = up.0.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    up.leaves();
    let text = reader.join().unwrap();
    assert!(text.ends_with('\n'));
    let of_connections = text.lines().filter(|line| line.contains("ended=") || line.contains("client="));
    let mut count = 0;
    for line in of_connections {
        count += 1;
        assert!(line.starts_with("time=") && line.contains(" ended="), "{line}");
    }
    assert!(count > 100, "{count} lines");
}
