//! Signals that people and service managers send, each to every command that runs until it is stopped.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::process::Signal;

use crate::backend::serve;
use crate::connection::{Connection, reaches};
use crate::program::{Program, Up, eventually, meshtcp};
use crate::store::ControlPlane;
use crate::town::Town;

/// Signals without an effect, and the message about each; `None`: no message.
const IGNORED: [(Signal, Option<&str>); 4] = [
    (Signal::USR1, Some("SIGUSR1 asks for nothing here")),
    (Signal::USR2, Some("SIGUSR2 asks for nothing here")),
    (Signal::ALARM, Some("SIGALRM asks for nothing here")),
    (Signal::PIPE, None),
];

fn survives(program: &mut Program) {
    for (signal, said) in IGNORED {
        let mark = program.mark();
        program.signal(signal);
        if let Some(said) = said {
            program.awaits_text(mark, said);
        }
    }
    let mark = program.mark();
    for without_meaning in
        [Signal::XFSZ, Signal::XCPU, Signal::VTALARM, Signal::PROF, Signal::IO, Signal::POWER, Signal::WINCH]
    {
        program.signal(without_meaning);
    }
    program.signal(Signal::HUP);
    program.awaits_text(mark, "asked by SIGHUP: reading");
    assert!(program.is_running());
}

#[test]
fn up_and_its_connections_survive_every_signal_but_those_that_ask_to_leave() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    town.route(&[("v1", 1), ("v2", 0)]);
    let mut up = Up::start(&[&town.path(), "--drain-time", "100ms"]);
    up.is_ready();
    reaches(town.outbound, &["v1"]);
    let mut connection = Connection::open(town.outbound).unwrap();
    survives(&mut up.program);
    connection.echo();
    up.program.signal(Signal::QUIT);
    assert_eq!(up.program.ends(), 0, "{}", up.program.printed());
    up.program.awaits_text(0, " were closed");
}

#[test]
fn a_hangup_while_connections_drain_ends_none_of_them() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    town.route(&[("v1", 1), ("v2", 0)]);
    let mut up = Up::start(&[&town.path()]);
    up.is_ready();
    let mut connection = Connection::open(town.outbound).unwrap();
    up.program.signal(Signal::TERM);
    up.program.awaits_text(0, "leaving: ");
    survives(&mut up.program);
    connection.echo();
    connection.close();
    assert_eq!(up.program.ends(), 0, "{}", up.program.printed());
}

#[test]
fn control_plane_and_proxy_survive_every_signal_but_those_that_ask_to_leave() {
    let mut control_plane = ControlPlane::start("memory", &[]);
    let mut proxy =
        Program::start(meshtcp(["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds]));
    proxy.awaits_text(0, "default/web-1 follows");
    control_plane.program.awaits_text(0, "web-1 is attached and waits");
    survives(&mut proxy);
    survives(&mut control_plane.program);
    for (program, signal) in [(&mut proxy, Signal::TERM), (&mut control_plane.program, Signal::INT)] {
        program.signal(signal);
        assert_eq!(program.ends(), 0, "{}", program.printed());
    }
}

#[test]
fn a_hangup_opens_the_log_again() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    town.route(&[("v1", 1), ("v2", 0)]);
    let (log, old) = (town.file("log"), town.file("log.1"));
    let mut up = Up::start(&[&town.path(), "--log", log.to_str().unwrap()]);
    up.is_ready();
    reaches(town.outbound, &["v1"]);
    let lines = |file: &std::path::Path| std::fs::read_to_string(file).unwrap_or_default().lines().count();
    eventually("the first lines", || lines(&log) > 0);
    std::fs::rename(&log, &old).unwrap();
    survives(&mut up.program);
    eventually("the new file, before there is anything to write", || log.exists());
}

#[test]
fn what_is_sent_while_a_process_starts_does_not_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("mesh.yaml"), "type: Mesh\nname: default\n").unwrap();
    for (command, ready) in [
        (&["up", &file("mesh.yaml")][..], "waiting for changes in "),
        (
            &["control-plane", "--store", "memory", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"],
            "following ",
        ),
        (&["proxy", "--proxy", "web-1", "--control-plane", "127.0.0.1:1"], "default/web-1 follows"),
    ] {
        // it waits for its settings, which are not there yet
        let settings = file(command[0]);
        rustix::fs::mkfifoat(rustix::fs::CWD, &settings, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        let mut program = Program::start(meshtcp(command.iter().copied().chain(["--config", &settings])));
        let mut writer = None;
        eventually("it reads its settings", || {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
            writer = options.open(&settings).ok();
            writer.is_some()
        });
        for early in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::ALARM, Signal::PIPE, Signal::POWER] {
            program.signal(early);
        }
        writer.unwrap().write_all(b"drain-time: 100ms\n").unwrap();
        program.awaits_text(0, ready);
        program.signal(Signal::TERM);
        assert_eq!(program.ends(), 0, "{}", program.printed());
    }
}
