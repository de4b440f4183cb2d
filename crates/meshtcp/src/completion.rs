//! `meshtcp completion`: what a shell needs to complete command lines.

use clap_complete::{Shell, generate};

use crate::exit::Exit;
use crate::output::print;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completions of a command line.
pub(crate) fn run(Args { shell }: Args, mut command_line: clap::Command) -> Exit {
    let mut script = Vec::new();
    generate(shell, &mut command_line, "meshtcp", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Ok
}
