//! `meshtcp preview`: effect of a change, without making it.

use std::collections::BTreeSet;

use change::addresses::Filler;
use change::preview::{State, overlay, preview};
use dialect::envoy::EnvoyOptions;

use crate::control_plane::Split;
use crate::exit::Exit;
use crate::in_force::{InForce, Proxies};
use crate::output::{self, Format, print};
use crate::proposal::{Files, Proposed};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    in_force: InForce,
    #[command(flatten)]
    proxies: Proxies,
    /// How Envoy is told splits; default: as the control plane does it
    #[arg(long, value_enum, value_name = "LAYOUT")]
    envoy_split: Option<Split>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(Args { files, in_force, proxies, envoy_split, output: format }: Args) -> Exit {
    let foretold = || {
        let Proposed { entries: put, exit } = files.read(&in_force.rules, &in_force.mesh()?)?;
        let split = envoy_split.map_or_else(|| in_force.split(), Ok)?;
        let envoy = EnvoyOptions { split: split.into(), ..EnvoyOptions::default() };
        let before = in_force.load_telling(envoy, &put)?;
        let live = proxies.live()?;
        let rules = &in_force.rules;
        let ledger = overlay(&before.ledger, &put, &BTreeSet::new(), rules.profile);
        let mut filler = Filler::new(rules.vips.ranges(), rules.options());
        let after = State::of(filler.fill(&ledger), &rules.context(), envoy);
        Ok((preview(&before, &after, &live).remarking(filler.problems()), exit))
    };
    let (preview, exit) = match foretold() {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    print(&output::structured(format, &preview).unwrap_or_else(|| preview.to_string()));
    if preview.is_refused() { Exit::Problems } else { exit }
}
