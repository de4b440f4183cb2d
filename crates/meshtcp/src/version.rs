//! `meshtcp version`: version of this program, and of the control plane that it asks.

use serde_json::{Value, json};

use crate::context::Server;
use crate::exit::Exit;
use crate::output::{self, Format};

/// Version of this program.
pub(crate) const OURS: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this program: ask nobody
    #[arg(long)]
    client: bool,
    #[command(flatten)]
    server: Server,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(Args { client, server, output: format }: Args) -> Exit {
    let ours = json!({ "version": OURS, "profiles": profiles() });
    let (theirs, exit) = match client {
        true => (None, Exit::Ok),
        false => match server.client().map(|client| client.index()) {
            Ok(Ok(index)) => (Some(index), Exit::Ok),
            Ok(Err(failed)) => (None, failed.said()),
            Err(exit) => (None, exit),
        },
    };
    let mut tree = json!({ "client": ours, "server": theirs });
    if exit != Exit::Ok {
        tree["errors"] = crate::answer::complaints().into();
    }
    let words = || {
        let mut lines = format!("client  meshtcp {OURS}\n");
        if let Some(index) = &theirs {
            let text = |key: &str| index.get(key).and_then(Value::as_str).unwrap_or("?");
            let rules = index.get("basedOnKuma").and_then(Value::as_str);
            let rules = rules.map(|rules| format!(", rules of Kuma {rules}")).unwrap_or_default();
            lines.push_str(&format!("server  {} {}{rules}\n", text("product"), text("version")));
        }
        lines
    };
    output::print_as(format, &tree, words);
    exit
}

fn profiles() -> Vec<&'static str> {
    model::Profile::ALL.iter().map(|profile| profile.as_str()).collect()
}
