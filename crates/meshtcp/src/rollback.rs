//! `meshtcp rollback`: a new change that restores an earlier version of a resource.

use serde_json::json;

use crate::apply::answer;
use crate::apply::wait::{Wait, waited};
use crate::backends::{ATTEMPTS, in_a_line};
use crate::exit::Exit;
use crate::history::{Change, One, changes};
use crate::in_force::path;
use crate::output::{self, Format, complain, print};
use crate::set::shown;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    one: One,
    /// The revision whose words come back, as `meshtcp history` lists them; default: the one before the last
    #[arg(long, value_name = "REVISION")]
    to: Option<u64>,
    /// Only say what it would do
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(arguments: &Args) -> Exit {
    back(arguments).unwrap_or_else(|exit| exit)
}

fn back(Args { one, to, dry_run, wait, output: format }: &Args) -> Result<Exit, Exit> {
    let (client, key) = one.resolved()?;
    let kept = changes(&client, &key)?;
    let change = chosen(&kept, *to).map_err(|why| {
        let all: Vec<String> = kept.iter().map(|it| it.revision.to_string()).collect();
        complain(&format!("error: {key}: {why}\n  help: what is kept is of revisions {}\n", all.join(", ")));
        Exit::Problems
    })?;
    let mut document = change.document.clone();
    if let Some(members) = document.as_object_mut() {
        // a status computed by the control plane is that of now
        members.shift_remove("status");
    }
    let path = path(&key);
    for _ in 0..ATTEMPTS {
        let there = client.get_tagged(&path).map_err(|failed| failed.said())?;
        let preview = client.preview(&[&document]).map_err(|failed| failed.said())?;
        if *dry_run || preview.is_refused() {
            return Ok(shown(&preview, *format));
        }
        let tag = there.and_then(|(_, tag)| tag);
        let Some(put) = client.put_on(&path, &document, tag.as_deref()).map_err(|failed| failed.said())?
        else {
            continue;
        };
        if *format == Format::Table {
            print(&format!(
                "{key} says again what it said at revision {}, {}",
                change.revision,
                in_a_line(&preview)
            ));
            put.warnings.iter().for_each(|warning| complain(&format!("warning: {key}: {warning}\n")));
        }
        let (rollout, exit) = waited(&client, put.revision, wait);
        if *format != Format::Table {
            let resource =
                json!([{ "kind": key.kind, "mesh": key.mesh, "name": key.name, "outcome": "updated" }]);
            let answer = answer(&resource, put.revision, rollout.as_ref());
            print(&output::structured(*format, &answer).unwrap_or_default());
        }
        return Ok(exit);
    }
    complain(&format!("error: others change {key} at the same time: try again\n"));
    Err(Exit::Problems)
}

/// Change to restore.
fn chosen(kept: &[Change], to: Option<u64>) -> Result<&Change, String> {
    let found = match to {
        Some(revision) => {
            let found = kept.iter().find(|it| it.revision == revision);
            found.ok_or_else(|| format!("nothing is kept of revision {revision}"))?
        }
        None => kept.get(1).ok_or("nothing is kept of what it said before")?,
    };
    if found.what == "deleted" {
        return Err(format!("at revision {} it was deleted: `meshtcp delete` does that", found.revision));
    }
    if found.document.is_null() {
        return Err(format!("what it said at revision {} is a secret, which is not kept", found.revision));
    }
    Ok(found)
}
