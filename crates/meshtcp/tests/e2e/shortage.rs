//! Control plane that runs out of file descriptors, and has some again later.

use std::net::TcpStream;
use std::process::Command;

use crate::program::{Program, meshtcp};

/// Limit on file descriptors: more than a control plane needs for itself.
const DESCRIPTORS: usize = 72;

/// The command with that limit on its descriptors.
fn limited(command: &Command) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={DESCRIPTORS}")).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[test]
fn proxies_attach_when_there_are_descriptors_again() {
    let fixed = ["control-plane", "--store", "memory", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"];
    let control_plane = Program::start(limited(&meshtcp(fixed)));
    let line = control_plane.awaits_text(0, "discovery: ");
    let xds = line.trim_start_matches("discovery: ").split([',', ' ']).next().unwrap();

    let silent: Vec<TcpStream> =
        (0..2 * DESCRIPTORS).map(|_| TcpStream::connect(xds).expect("the kernel answers")).collect();
    control_plane.awaits_text(0, "discovery cannot accept connections");
    drop(silent);

    let _proxy = Program::start(meshtcp(["proxy", "--proxy", "web-1", "--control-plane", xds]));
    control_plane.awaits_text(0, "default/web-1 attached");
}
