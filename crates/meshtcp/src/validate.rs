//! `meshtcp validate`: all errors of resources at once.

use change::Ledger;
use change::compile::{Compiler, PlanScope, dangling, shared_addresses, unsayable, warnings};
use control::sources::Source as _;
use dialect::envoy::EnvoyOptions;
use model::{Problems, Severity};
use xds::Family;

use crate::exit::Exit;
use crate::output::{self, Format};
use crate::report::{Reporter, count_in_words, plain};
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// How to print problems
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(Args { source, output: format }: Args) -> Exit {
    let mut store = match source.rules.open(&source.paths(), "default") {
        Ok(store) => store,
        Err(exit) => return exit,
    };
    let loaded = store.load();
    let (context, envoy) = (source.rules.context(), EnvoyOptions::default());
    let compiler = Compiler { context, scope: PlanScope::everything(), envoy };
    let compiled = compiler.compile(&loaded.ledger);
    let nowhere = dangling(&compiled.snapshot, &loaded.ledger);
    let mut problems: Problems = loaded.problems;
    problems.append(warnings(&compiled, &nowhere, &loaded.ledger, &[Family::L4]));
    problems.extend(shared_addresses(&compiled, &loaded.ledger.instead_of(&Ledger::default())));
    compiled.say_to_envoy(compiled.proxies.keys());
    problems.extend(unsayable(&compiled, &loaded.ledger, Severity::Error));
    problems.sort();

    match output::structured(format, &plain(&problems)) {
        Some(text) => output::print(&text),
        None => {
            Reporter::new().tell(&problems, |file| store.text(file));
            let (resources, files) = (loaded.ledger.len(), store.states().len());
            let counted = match problems.total() {
                0 => "all good".to_owned(),
                _ => count_in_words(&problems),
            };
            let some =
                |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
            let (resources, files) = (some(resources, "resource"), some(files, "file"));
            output::print(&format!("{resources} in {files}: {counted}\n"));
        }
    }
    if problems.has_errors() { Exit::Problems } else { Exit::Ok }
}
