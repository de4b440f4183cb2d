//! `meshtcp diff`: how documents differ from what is in force, as text and by their fields.

mod lines;

use std::collections::BTreeSet;

use control::preview::{Key, comparable, overlay, resource_changes, universal};
use control::store::folder::{Candidate, Entry};
use serde_json::Value;

use crate::exit::Exit;
use crate::in_force::InForce;
use crate::output::{self, Format, print_drawn, tame};
use crate::proposal::Files;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    in_force: InForce,
    /// What to show of a change
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    show: Show,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Show {
    /// The lines that differ, and the fields that differ
    #[default]
    Both,
    /// The lines that differ
    Text,
    /// The fields that differ: the order of fields and the way of writing make no difference
    Fields,
}

pub(crate) fn run(Args { files, in_force, show, output: format }: Args) -> Exit {
    let compared = || {
        let put = files.read(&in_force.rules)?;
        let before = in_force.load()?.candidate;
        let after = overlay(&before, &put, &BTreeSet::new());
        Ok((before, after))
    };
    let (before, after) = match compared() {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let changes = resource_changes(&before, &after);
    let drawn = || {
        let mut text = String::new();
        for change in &changes {
            if show != Show::Text {
                text.push_str(&tame(&format!("{change}\n")));
            }
            if show != Show::Fields {
                let key = (change.kind, change.mesh.clone(), change.name.clone());
                let old = document(&before, &key).map(|tree| output::yaml(&tree)).unwrap_or_default();
                let new = document(&after, &key).map(|tree| output::yaml(&tree)).unwrap_or_default();
                let name = if change.mesh.is_empty() {
                    format!("{} {}", change.kind, change.name)
                } else {
                    format!("{} {}/{}", change.kind, change.mesh, change.name)
                };
                text.push_str(&lines::unified(&tame(&name), &old, &new));
            }
        }
        text
    };
    print_drawn(&output::structured(format, &changes).unwrap_or_else(drawn));
    if changes.is_empty() { Exit::Ok } else { Exit::Problems }
}

fn document(candidate: &Candidate, (kind, mesh, name): &Key) -> Option<Value> {
    let is_meant = |entry: &Entry| {
        let meta = entry.resource.meta();
        entry.resource.kind() == *kind && meta.mesh == mesh.as_str() && meta.name.as_str() == name
    };
    let offer = candidate.offers.iter().find(|offer| is_meant(&offer.entry))?;
    Some(comparable(&universal(offer.entry.document.value(), &offer.entry.resource), *kind))
}
