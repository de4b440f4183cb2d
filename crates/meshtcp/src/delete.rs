//! `meshtcp delete`: deletes resources of a control plane.

use clap_complete::engine::ArgValueCompleter;
use model::ResourceKey;
use serde::Serialize;

use crate::apply::answer;
use crate::apply::wait::{Wait, waited};
use crate::client::Client;
use crate::completion;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::get::absent;
use crate::get::row::text;
use crate::in_force::{collection, path};
use crate::kind::{WrittenKind, key};
use crate::output::{self, Format, complain, print};
use crate::proposal::{Files, Proposed};
use crate::selector::Selector;
use crate::source::Rules;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind, e.g. meshtcproutes, MeshTCPRoute or mtcpr; KIND/NAME for one
    #[arg(value_name = "KIND", required_unless_present = "file", add = ArgValueCompleter::new(completion::kinds))]
    kind: Option<WrittenKind>,
    /// The names; MESH/NAME for one of another mesh
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(completion::names))]
    names: Vec<String>,
    /// All of the kind, in the mesh that is meant
    #[arg(long, conflicts_with_all = ["names", "file"])]
    all: bool,
    #[command(flatten)]
    selector: Selector,
    /// Only say what would be deleted
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// The resources of these files instead; a folder, or `-` for standard input; may be repeated
    #[arg(short, long = "file", value_name = "PATH", conflicts_with_all = ["kind", "names"])]
    file: Vec<std::path::PathBuf>,
    #[command(flatten)]
    mesh: InMesh,
    /// Say nothing of resources that are not there
    #[arg(long)]
    ignore_not_found: bool,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    rules: Rules,
    /// How to print what became of each resource
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Outcome of one resource.
#[derive(Debug, Serialize)]
struct Deleted {
    kind: String,
    mesh: String,
    name: String,
    /// `deleted`, or `absent`: the resource did not exist.
    outcome: &'static str,
}

pub(crate) fn run(arguments: Args) -> Exit {
    let (client, mesh) = match arguments.server.client_in(&arguments.mesh) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    match meant(&arguments, &client, &mesh) {
        Ok((meant, exit)) => delete(&arguments, &client, meant, exit),
        Err(exit) => exit,
    }
}

/// Resources that are to be deleted, in this order, and the exit status so far.
///
/// # Errors
/// Exit status: there is nothing to delete, or it is not known what.
fn meant(arguments: &Args, client: &Client, mesh: &str) -> Result<(Vec<ResourceKey>, Exit), Exit> {
    let Args { kind, names, all, selector, file, rules, .. } = arguments;
    let mut exit = Exit::Ok;
    let meant: Vec<ResourceKey> = match kind {
        Some(WrittenKind { kind, name: None }) if *all || (names.is_empty() && !selector.is_empty()) => {
            let there = client.list(&collection(*kind, mesh)).map_err(|failed| failed.said())?;
            let meant = there.iter().filter(|it| selector.admits(it));
            let meant: Vec<_> = meant.map(|it| key(*kind, mesh, text(it, "name"))).collect();
            if meant.is_empty() {
                complain(&format!("no {kind} is there that fits\n"));
                return Err(Exit::Ok);
            }
            meant
        }
        Some(_) if *all || !selector.is_empty() => {
            complain("error: --all and -l choose by themselves: no name can stand beside them\n");
            return Err(Exit::Usage);
        }
        Some(WrittenKind { kind, name }) => {
            name.iter().chain(names).map(|name| key(*kind, mesh, name)).collect()
        }
        None => {
            // policies before the resources that they name, dataplanes before their mesh
            let Proposed { entries, exit: left_out } = Files { file: file.clone() }.read(rules, mesh)?;
            exit = left_out;
            entries.iter().rev().map(|entry| entry.resource.key()).collect()
        }
    };
    if meant.is_empty() {
        complain(
            "error: nothing is named\n  help: meshtcp delete KIND NAME, KIND --all, KIND -l KEY=VALUE, or -f FILE\n",
        );
        return Err(Exit::Usage);
    }
    Ok((meant, exit))
}

fn delete(arguments: &Args, client: &Client, meant: Vec<ResourceKey>, mut exit: Exit) -> Exit {
    let Args { dry_run, ignore_not_found, wait, output: format, .. } = arguments;
    let (mut revision, mut deleted) = (None, Vec::new());
    for key in meant {
        // a dry run reports an absent resource in the same way
        let did = match dry_run {
            true => client.get(&path(&key)).map(|there| there.map(|_| None)),
            false => client.delete(&path(&key)),
        };
        let outcome = match did {
            Ok(Some(now)) => {
                revision = now.or(revision);
                if *format == Format::Table {
                    print(&format!("{key} deleted{}\n", if *dry_run { " (dry run)" } else { "" }));
                }
                "deleted"
            }
            Ok(None) if *ignore_not_found => "absent",
            Ok(None) => {
                complain(&absent(client, &key));
                exit = Exit::Problems;
                "absent"
            }
            Err(failed) => {
                exit = failed.said();
                continue;
            }
        };
        let (kind, mesh) = (key.kind.to_string(), key.mesh_or_empty().to_owned());
        deleted.push(Deleted { kind, mesh, name: key.name.to_string(), outcome });
    }
    let (rollout, exit) = match exit {
        Exit::Ok if !dry_run => waited(client, revision, wait),
        exit => (None, exit),
    };
    if *format != Format::Table {
        print(
            &output::structured(*format, &answer(&deleted, revision, rollout.as_ref())).unwrap_or_default(),
        );
    }
    exit
}
