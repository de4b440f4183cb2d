//! `meshtcp profiles`: Kuma versions whose rules can be applied.

use model::Profile;
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, Format};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to print them
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Serialize)]
struct Listed {
    profile: String,
    default: bool,
}

pub(crate) fn run(Args { output: format }: Args) -> Exit {
    let is_default = |profile: Profile| profile == Profile::default();
    let listed: Vec<Listed> = Profile::ALL
        .into_iter()
        .chain([Profile::Extended])
        .map(|profile| Listed { profile: profile.to_string(), default: is_default(profile) })
        .collect();
    let table = || {
        let row = |it: &Listed| [it.profile.clone(), if it.default { "default" } else { "" }.to_owned()];
        output::table(["PROFILE", ""], listed.iter().map(row))
    };
    output::print_as(format, &listed, table);
    Exit::Ok
}
