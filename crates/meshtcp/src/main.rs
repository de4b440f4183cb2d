//! Reroute and split TCP between services, by MeshTCPRoute. This file only assembles; each command has its own.
#![forbid(unsafe_code)]

mod cli;
mod demo;
mod duration;
mod exit;
mod explain;
mod host;
mod log;
mod output;
mod plan;
mod profiles;
mod report;
mod source;
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
        cli::Command::Profiles(arguments) => profiles::run(arguments),
    };
    exit.into()
}
