//! `meshtcp diff`: difference between documents and the resources in force, as text and by field.

mod lines;

use std::collections::BTreeSet;

use change::Ledger;
use change::preview::{comparable, overlay, resource_changes, universal};
use dialect::envoy::EnvoyOptions;
use model::ResourceKey;
use serde_json::Value;

use crate::exit::Exit;
use crate::in_force::InForce;
use crate::output::{self, Format, print_drawn, tame};
use crate::proposal::{Files, Proposed};

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
        let Proposed { entries: put, exit } = files.read(&in_force.rules, &in_force.mesh()?)?;
        let before = in_force.load_telling(EnvoyOptions::default(), &put)?.ledger;
        let after = overlay(&before, &put, &BTreeSet::new(), in_force.rules.profile);
        Ok((before, after, exit))
    };
    let (before, after, exit) = match compared() {
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
                let old = document(&before, &change.resource).map(|tree| output::yaml(&tree));
                let new = document(&after, &change.resource).map(|tree| output::yaml(&tree));
                let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
                text.push_str(&lines::unified(&tame(&change.resource.to_string()), &old, &new));
            }
        }
        text
    };
    print_drawn(&output::structured(format, &changes).unwrap_or_else(drawn));
    if changes.is_empty() { exit } else { Exit::Problems }
}

fn document(ledger: &Ledger, key: &ResourceKey) -> Option<Value> {
    let entry = ledger.get(key)?;
    Some(comparable(&universal(entry.document.value(), &entry.resource), key.kind))
}
