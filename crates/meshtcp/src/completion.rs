//! `meshtcp completion`: shell completion of command lines. The shell asks this program while the user types, so that
//! the kinds, names and contexts are current.

use std::ffi::OsStr;
use std::time::Duration;

use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use model::Kind;

use crate::candidates::candidates;
use crate::client::Client;
use crate::context::{Context, Contexts};
use crate::exit::Exit;
use crate::get::row::text;
use crate::in_force::collection;
use crate::kind::WrittenKinds;
use crate::output::{complain, print};

/// Environment variable through which a shell asks.
const ASKS: &str = "MESHTCP_COMPLETE";
/// Timeout of a control plane that is asked for names: a user is waiting.
const PATIENCE: Duration = Duration::from_millis(700);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

/// Prints the script that a shell reads once.
pub(crate) fn run(Args { shell }: Args) -> Exit {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    let completer = shells.completer(&shell);
    match completer.map(|it| it.write_registration(ASKS, "meshtcp", "meshtcp", "meshtcp", &mut script)) {
        Some(Ok(())) => {
            print(&String::from_utf8_lossy(&script));
            Exit::Ok
        }
        _ => {
            complain(&format!("error: nothing is known of the shell {shell}\n"));
            Exit::Usage
        }
    }
}

/// Answers a shell that asks, and ends the process; otherwise does nothing.
pub(crate) fn answer(command_line: fn() -> Command) {
    CompleteEnv::with_factory(command_line).var(ASKS).complete();
}

/// Candidates for kinds, with their short names.
pub(crate) fn kinds(current: &OsStr) -> Vec<CompletionCandidate> {
    let plurals = Kind::ALL.iter().map(|kind| kind.plural());
    let shorts = Kind::ALL.iter().filter_map(|kind| kind.short_name());
    candidates(plurals.chain(shorts), current)
}

/// Candidates for the shape of an answer.
pub(crate) fn shapes(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(crate::get::SHAPES, current)
}

/// Names of resources of the kind before the word, from the control plane; none while it is unreachable.
pub(crate) fn names(current: &OsStr) -> Vec<CompletionCandidate> {
    let line = Line::of(std::env::args().skip_while(|word| word != "--").skip(1));
    let names = line.and_then(|line| line.names()).unwrap_or_default();
    candidates(names.iter().map(String::as_str), current)
}

/// Parts of a command line that determine which names are meant.
struct Line {
    kind: Kind,
    context: Context,
    mesh: String,
}

impl Line {
    fn of(words: impl Iterator<Item = String>) -> Option<Self> {
        let words: Vec<String> = words.collect();
        let value = |long: &str, short: &str| {
            let at = words.iter().position(|word| word == long || word == short)?;
            words.get(at + 1).cloned()
        };
        let kind = words.iter().skip(2).find_map(|word| {
            let WrittenKinds(kinds) = word.parse().ok()?;
            kinds.first().map(|written| written.kind)
        })?;
        let contexts = Contexts::read().ok()?;
        let named = value("--context", "--context").or_else(|| std::env::var("MESHTCP_CONTEXT").ok());
        let mut context = match named.or_else(|| contexts.current.clone()) {
            Some(name) => contexts.named(&name)?.clone(),
            None => Context::default(),
        };
        if let Some(server) = value("--server", "--server").or_else(|| std::env::var("MESHTCP_SERVER").ok()) {
            context.server = crate::context::url(&server).ok()?;
        }
        let mesh = value("--mesh", "-m").or_else(|| context.mesh.clone());
        Some(Self { kind, context, mesh: mesh.unwrap_or_else(|| "default".to_owned()) })
    }

    fn names(&self) -> Option<Vec<String>> {
        let client = Client::within(&self.context, Some(PATIENCE)).ok()?;
        let there = client.list(&collection(self.kind, &self.mesh)).ok()?;
        Some(there.iter().map(|it| text(it, "name").to_owned()).collect())
    }
}
