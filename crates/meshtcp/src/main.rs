//! Reroute and split TCP between services, by MeshTCPRoute. This file only assembles; each command has its own.
#![forbid(unsafe_code)]

mod address;
mod cli;
mod control_plane;
mod demo;
mod duration;
mod envoy_bootstrap;
mod exit;
mod explain;
mod host;
mod log;
mod output;
mod plan;
mod profiles;
mod proxy;
mod report;
mod source;
mod takeover;
mod up;
mod validate;

use clap::Parser;

fn main() -> std::process::ExitCode {
    log::start();
    let exit = match cli::Cli::parse().command {
        cli::Command::Up(arguments) => up::run(arguments),
        cli::Command::Demo(arguments) => demo::run(arguments),
        cli::Command::Validate(arguments) => validate::run(arguments),
        cli::Command::Plan(arguments) => plan::run(arguments),
        cli::Command::Explain(arguments) => explain::run(arguments),
        cli::Command::ControlPlane(arguments) => control_plane::run(arguments),
        cli::Command::Proxy(arguments) => proxy::run(arguments),
        cli::Command::EnvoyBootstrap(arguments) => envoy_bootstrap::run(arguments),
        cli::Command::Profiles(arguments) => profiles::run(arguments),
    };
    exit.into()
}
