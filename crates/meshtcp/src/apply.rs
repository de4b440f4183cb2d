//! `meshtcp apply`: put resources into a control plane, and see the change become live.

pub(crate) mod wait;

use change::Entry;
use change::preview::{comparable, differences, universal};
use model::problems::SHOWN;
use serde::Serialize;
use serde_json::Value;
use xds::Foreign;

use crate::client::{Client, Failed, Put};
use crate::context::Server;
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::{self, Format, complain, print};
use crate::proposal::{Files, Proposed};
use crate::source::Rules;
use wait::{Wait, waited};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    /// Only say what would be created or updated
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
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

/// What became of one resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    kind: String,
    mesh: String,
    name: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

pub(crate) fn run(Args { files, dry_run, wait, server, rules, output: format }: Args) -> Exit {
    let prepared = files.read(&rules).and_then(|proposed| Ok((proposed, server.client()?)));
    let (Proposed { mut entries, exit: left_out }, client) = match prepared {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    // a mesh has to be there before what is in it; otherwise the order of the files is kept
    entries.sort_by_key(|entry| entry.resource.kind() != model::Kind::Mesh);
    let (mut applied, mut exit, mut revision) = (Vec::new(), Exit::Ok, None);
    for entry in &entries {
        let described = entry.resource.describe();
        match one(&client, entry, dry_run) {
            Ok((outcome, warnings, now)) => {
                revision = now.or(revision);
                if format == Format::Table {
                    let would = if dry_run && outcome != "unchanged" { " (dry run)" } else { "" };
                    print(&format!("{described} {outcome}{would}\n"));
                }
                for warning in warnings.iter().take(SHOWN) {
                    complain(&format!("warning: {described}: {}\n", Foreign::message(warning)));
                }
                let meta = entry.resource.meta();
                applied.push(Applied {
                    kind: entry.resource.kind().to_string(),
                    mesh: meta.mesh.as_str().to_owned(),
                    name: meta.name.as_str().to_owned(),
                    outcome,
                    revision: now,
                });
            }
            Err(failed) => {
                complain(&format!("error: {described}: {failed}\n"));
                exit = failed.exit();
                if exit == Exit::Unreachable {
                    break;
                }
            }
        }
    }
    if format != Format::Table {
        print(&output::structured(format, &applied).unwrap_or_default());
    }
    if exit == Exit::Ok && !dry_run {
        exit = waited(&client, revision, &wait);
    }
    if exit == Exit::Ok { left_out } else { exit }
}

/// Puts one resource if it differs from what is stored.
fn one(
    client: &Client,
    entry: &Entry,
    dry_run: bool,
) -> Result<(&'static str, Vec<String>, Option<u64>), Failed> {
    let resource = &entry.resource;
    let kind = resource.kind();
    let document = universal(entry.document.value(), resource);
    let path = path(&resource.key());
    let stored: Option<Value> = client.get(&path)?;
    let same =
        |stored: &Value| differences(&comparable(stored, kind), &comparable(&document, kind)).is_empty();
    match &stored {
        Some(stored) if same(stored) => return Ok(("unchanged", Vec::new(), None)),
        Some(_) if dry_run => return Ok(("updated", Vec::new(), None)),
        None if dry_run => return Ok(("created", Vec::new(), None)),
        Some(_) | None => {}
    }
    let Put { created, warnings, revision } = client.put(&path, &document)?;
    Ok((if created { "created" } else { "updated" }, warnings, revision))
}
