//! `meshtcp validate`: everything that is wrong with resources, at once.

use control::compile::{Compiler, Scope, dangling, shared_addresses, unsayable, warnings};
use dialect::envoy::EnvoyOptions;
use model::{Problem, Severity};
use plan::Context;
use xds::Family;

use crate::exit::Exit;
use crate::output::{self, Format};
use crate::report::{Plain, Reporter, count_in_words};
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
    let mut store = match source.rules.open(&source.paths) {
        Ok(store) => store,
        Err(exit) => return exit,
    };
    let loaded = store.load();
    let (context, envoy) = (Context::new(source.rules.profile), EnvoyOptions::default());
    let compiler = Compiler { context, scope: Scope::everything(), envoy };
    let compiled = compiler.compile(&loaded.candidate);
    let nowhere = dangling(&compiled.snapshot, &loaded.candidate);
    let mut problems: Vec<Problem> = loaded.problems;
    problems.extend(warnings(&compiled, &nowhere, &loaded.candidate, &[Family::L4]));
    problems.extend(shared_addresses(&compiled, &loaded.candidate));
    compiled.say_to_envoy(compiled.proxies.keys());
    problems.extend(unsayable(&compiled, &loaded.candidate, Severity::Error));
    problems.sort();
    problems.dedup();

    match output::structured(format, &problems.iter().map(Plain::from).collect::<Vec<_>>()) {
        Some(text) => output::print(&text),
        None => {
            let reporter = Reporter::new();
            for problem in &problems {
                reporter.tell(problem, store.text(&problem.source));
            }
            let (resources, files) = (loaded.candidate.offers.len(), loaded.files.len());
            let counted = match problems.as_slice() {
                [] => "all good".to_owned(),
                problems => count_in_words(problems),
            };
            output::print(&format!("{resources} resources in {files} files: {counted}\n"));
        }
    }
    if problems.iter().any(|problem| problem.severity == Severity::Error) { Exit::Problems } else { Exit::Ok }
}
