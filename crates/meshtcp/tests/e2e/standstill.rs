//! Reader of the output that stops reading: lines are lost, and connections, changes and exit are unaffected.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::backend::free_ports;
use crate::connection::{Connection, reaches};
use crate::program::{Killed, Program, ask, eventually, meshtcp};
use crate::store::ControlPlane;
use crate::town::Town;

/// Program whose output is no longer read from some moment on.
struct Unread(Killed);

impl Unread {
    fn start<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self(Killed(meshtcp(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Ends it by SIGTERM; panics if it takes too long.
    fn leaves(mut self) {
        kill_process(Pid::from_child(&self.0.0), Signal::TERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.0.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it waits for whoever reads");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn served() -> Town {
    let town = Town::served();
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
    let mut output = up.0.0.stdout.take().unwrap();
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

/// Puts a file system that never answers over the folder `$0`, and runs the words after it, if there are any.
const HANG: &str = "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 none \"$0\" && \
    echo hung && if [ $# -gt 0 ]; then sleep 600 & exec \"$@\" 3<&-; else exec sleep 600; fi";

/// Does so in the mounts that a program has for itself, until it is dropped.
fn hang(folder: &std::path::Path, up: &Program) -> Program {
    let mut command = std::process::Command::new("nsenter");
    command.arg(format!("--mount=/proc/{}/ns/mnt", up.id())).args(["bash", "-c", HANG]).arg(folder);
    let it = Program::start(command);
    it.awaits_text(0, "hung");
    it
}

/// True where disks can be made to hang.
fn may_hang() -> bool {
    let may = rustix::process::geteuid().is_root() && std::path::Path::new("/dev/fuse").exists();
    if !may {
        eprintln!("not tested: it takes root, and /dev/fuse");
    }
    may
}

/// The same command with mounts of its own.
fn with_mounts(command: &std::process::Command) -> std::process::Command {
    let mut with = std::process::Command::new("unshare");
    with.args(["--mount", "--"]).arg(command.get_program()).args(command.get_args());
    with.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    with
}

#[test]
fn a_disk_of_a_log_or_a_state_that_does_not_answer_holds_up_nothing_else() {
    if !may_hang() {
        return;
    }
    let town = served();
    let control_plane = Program::start(meshtcp(["control-plane", &town.path(), "--xds", "127.0.0.1:0"]));
    let line = control_plane.awaits_text(0, "discovery: ");
    let xds = line.trim_start_matches("discovery: ").split(',').next().unwrap();
    let start = |proxy: &str, disk: &std::path::Path| {
        std::fs::create_dir(disk).unwrap();
        let [log, state] = ["log", "state"].map(|name| disk.join(name).to_str().unwrap().to_owned());
        let fixed = ["proxy", "--proxy", proxy, "--control-plane", xds, "--drain-time", "100ms"];
        with_mounts(&meshtcp(fixed.into_iter().chain(["--log", &log, "--state", &state])))
    };
    let others = ["redis-v1", "redis-v2"]
        .map(|proxy| Program::start(meshtcp(["proxy", "--proxy", proxy, "--control-plane", xds])));
    others.iter().for_each(|proxy| drop(proxy.awaits_text(0, "configuration 1")));
    // it hangs while the proxy runs
    let disk = town.file("disk");
    let mut web = Program::start(start("web-1", &disk));
    reaches(town.outbound, &["v1"]);
    let hung = hang(&disk, &web);
    town.route(&[("v1", 0), ("v2", 1)]);
    web.awaits_text(0, "does not answer: it is written when it does");
    reaches(town.outbound, &["v2"]);
    town.route(&[("v1", 1), ("v2", 0)]);
    reaches(town.outbound, &["v1"]);
    web.signal(Signal::TERM);
    assert_eq!(web.ends(), 0, "{}", web.printed());
    drop(hung);
    // it hangs before the proxy starts
    let late = town.file("late");
    let command = start("web-1", &late);
    let words = command.get_args().map(|word| word.to_str().unwrap().to_owned()).skip(2);
    let mut shell = std::process::Command::new("unshare");
    shell.args(["--mount", "--", "bash", "-c", HANG]).arg(&late).args(words);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut web = Program::start(shell);
    web.awaits_text(0, "the disk of the connection log does not answer");
    web.awaits_text(0, "does not answer; waiting for the control plane");
    reaches(town.outbound, &["v1"]);
    web.signal(Signal::TERM);
    assert_eq!(web.ends(), 0, "{}", web.printed());
}

#[test]
fn a_disk_that_does_not_answer_keeps_nobody_from_leaving() {
    if !may_hang() {
        return;
    }
    let town = served();
    let disk = town.file("disk");
    std::fs::create_dir(&disk).unwrap();
    std::fs::write(disk.join("more.yaml"), "type: Mesh\nname: other\n").unwrap();
    let mut up = Program::start(with_mounts(&meshtcp(["up", &town.path(), "--drain-time", "100ms"])));
    reaches(town.outbound, &["v1"]);
    let mut connection = Connection::open(town.outbound).unwrap();
    let _hung = hang(&disk, &up);
    up.signal(Signal::HUP);
    up.awaits_text(0, "asked by SIGHUP");
    connection.echo();
    reaches(town.outbound, &["v1"]);
    up.signal(Signal::TERM);
    up.awaits_text(0, "a file or folder of resources does not answer: leaving without it");
    assert_eq!(up.ends(), 0, "{}", up.printed());
}

#[test]
fn a_disk_of_the_store_that_does_not_answer_is_told_to_who_changes_and_readers_go_on() {
    if !may_hang() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let store = format!("folder:{}", disk.display());
    let addresses = ["--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"];
    let start = meshtcp(["control-plane", "--store", &store].iter().chain(&addresses));
    let mut it = ControlPlane::of(Program::start(with_mounts(&start)));
    let hung = hang(&disk, &it.program);
    let put = |name: &str| {
        let began = Instant::now();
        let document = format!(r#"{{"type":"Mesh","name":"{name}"}}"#);
        let answer = crate::api::ask(&it.api, &format!("PUT /meshes/{name} {document}"));
        assert!(began.elapsed() < Duration::from_secs(20), "it takes as long as the caller waits");
        answer
    };
    // whoever is first may wait for a look at the folder that has begun before
    for name in ["one", "two"] {
        let (status, said) = put(name);
        assert_eq!(status, 503, "{said}");
        assert!(said.contains("the disk of the store does not answer"), "{said}");
    }
    assert_eq!(crate::api::ask(&it.api, "GET /meshes/default").0, 200);
    assert_eq!(crate::api::ask(&it.api, "GET /meshes").0, 200);
    it.program.signal(Signal::TERM);
    assert_eq!(it.program.ends(), 0, "{}", it.program.printed());
    drop(hung);
}
