//! `meshtcp preview`: what a change would do, without doing it.

use std::collections::BTreeSet;

use control::preview::{State, overlay, preview};
use plan::Context;

use crate::exit::Exit;
use crate::in_force::{InForce, Proxies};
use crate::output::{self, Format, print};
use crate::proposal::Files;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    in_force: InForce,
    #[command(flatten)]
    proxies: Proxies,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(Args { files, in_force, proxies, output: format }: Args) -> Exit {
    let foretold = || {
        let put = files.read(&in_force.rules)?;
        let before = in_force.load()?;
        let live = proxies.live()?;
        let candidate = overlay(&before.candidate, &put, &BTreeSet::new());
        let after = State::of(candidate, &Context::new(in_force.rules.profile));
        Ok(preview(&before, &after, &live))
    };
    let preview = match foretold() {
        Ok(preview) => preview,
        Err(exit) => return exit,
    };
    print(&output::structured(format, &preview).unwrap_or_else(|| preview.to_string()));
    if preview.is_refused() { Exit::Problems } else { Exit::Ok }
}
