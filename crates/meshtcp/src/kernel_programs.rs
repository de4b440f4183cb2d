//! `meshtcp kernel`: our programs in this kernel, and their removal.

use std::path::PathBuf;

use jiff::Timestamp;
use kernel::Attached;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{self, Format, complain, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show which programs are attached, since when, and what keeps them
    Status {
        /// The folder that --kernel-pin named
        #[arg(long, value_name = "FOLDER")]
        kernel_pin: Option<PathBuf>,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Format,
    },
    /// Detach what processes that ended left attached: connections go on, and new ones meet what they dial
    Detach {
        /// The folder that --kernel-pin named
        #[arg(long, value_name = "FOLDER")]
        kernel_pin: PathBuf,
    },
}

pub(crate) fn run(Args { what }: Args) -> Exit {
    let done = match what {
        Command::Status { kernel_pin, output: format } => {
            kernel::attached(kernel_pin.as_deref()).map(|found| {
                let tree: Value = found.iter().map(tree).collect();
                output::print_as(format, &tree, || table(&found));
            })
        }
        Command::Detach { kernel_pin: folder } => match kernel::detach(&folder) {
            Ok(0) => {
                print(&format!("nothing of ours is kept attached by files in {}\n", folder.display()));
                Ok(())
            }
            Ok(count) => {
                print(&format!("{count} programs are no longer kept attached\n"));
                Ok(())
            }
            Err(error) => Err(format!("{}: {error}", folder.display())),
        },
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(why) => {
            complain(&format!("error: {why}\n"));
            Exit::Environment
        }
    }
}

fn since(Attached { since, .. }: &Attached) -> Option<String> {
    let since = Timestamp::try_from((*since)?).ok()?;
    Some(since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn tree(found: &Attached) -> Value {
    let Attached { program, id, since: _, pin } = found;
    json!({ "program": program, "id": id, "since": since(found), "pin": pin })
}

fn table(found: &[Attached]) -> String {
    if found.is_empty() {
        return "no program of ours is attached\n".to_owned();
    }
    let row = |found: &Attached| {
        let kept = match &found.pin {
            Some(path) => path.display().to_string(),
            None => "a process".to_owned(),
        };
        [found.program.clone(), found.id.to_string(), since(found).unwrap_or_else(|| "-".to_owned()), kept]
    };
    output::table(["PROGRAM", "ID", "SINCE", "KEPT BY"], found.iter().map(row))
}
