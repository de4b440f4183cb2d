//! `meshtcp man`: a manual page per command, generated from the command line.

use std::fs::create_dir_all;
use std::path::PathBuf;

use clap::Command;

use crate::exit::Exit;
use crate::output::{complain, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for the pages, made where it is not there, e.g. /usr/local/share/man/man1
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes the pages of a command line: `meshtcp.1`, `meshtcp-config-view.1`.
pub(crate) fn run(Args { folder }: Args, command_line: Command) -> Exit {
    // `meshtcp help` has no page: it shows the others
    let command_line = command_line.disable_help_subcommand(true);
    match create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(command_line, &folder)) {
        Ok(()) => {
            print(&format!("manual pages are in {}\n", folder.display()));
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("error: {} cannot be written to: {error}\n", folder.display()));
            Exit::Environment
        }
    }
}
