//! `meshtcp completion`: what a shell needs to complete command lines.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output::print;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(Args { shell }: Args) -> Exit {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "meshtcp", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Ok
}
