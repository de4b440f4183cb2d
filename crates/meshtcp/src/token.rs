//! `meshtcp token`: tokens for access: created, inspected and revoked.

mod revocations;
mod written;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::get::row::ago;
use crate::output::{self, Format, complain, print};
use written::Written;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token, and print it; only an admin may
    #[command(subcommand, visible_alias = "generate")]
    Create(Create),
    /// Say whom a token is for, and until when; who signed it is not checked
    Inspect(Inspect),
    /// Let nobody in by a token any more
    Revoke(Revoke),
}

#[derive(Debug, clap::Subcommand)]
enum Create {
    /// For a proxy
    Dataplane(Dataplane),
    /// For the proxies of a zone
    Zone(Zone),
    /// For a person or a program that uses the API
    User(User),
}

#[derive(Debug, clap::Args)]
struct Dataplane {
    /// The name of its Dataplane; none: of any that fits the rest
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    mesh: InMesh,
    /// A tag that it must have; several values of one key by several flags
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// Its label kuma.io/workload
    #[arg(long, value_name = "NAME")]
    workload: Option<String>,
    /// For how long, e.g. 720h; default: ten years
    #[arg(long, value_name = "TIME")]
    valid_for: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct Zone {
    /// The zone
    #[arg(value_name = "ZONE")]
    zone: Option<String>,
    /// What of it; may be repeated
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_values = ["ingress", "egress"])]
    scope: Vec<String>,
    /// For how long, e.g. 720h; default: ten years
    #[arg(long, value_name = "TIME")]
    valid_for: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct User {
    /// Their name
    #[arg(value_name = "NAME")]
    name: String,
    /// A group, which says what they may do: mesh-system:admin, mesh-system:writer; may be repeated
    #[arg(long = "group", value_name = "GROUP", value_delimiter = ',')]
    groups: Vec<String>,
    /// For how long, e.g. 24h
    #[arg(long, value_name = "TIME", required = true)]
    valid_for: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct Inspect {
    /// The file that it is in; `-`: standard input
    #[arg(value_name = "FILE")]
    file: std::path::PathBuf,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// The file that it is in; `-`: standard input
    #[arg(value_name = "FILE")]
    file: std::path::PathBuf,
    #[command(flatten)]
    server: Server,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "write KEY=VALUE".to_owned())
}

pub(crate) fn run(Args { what }: Args) -> Exit {
    match what {
        Command::Create(create) => create.run(),
        Command::Inspect(Inspect { file, output: format }) => match Written::read(&file) {
            Ok(token) => inspect(&token, format),
            Err(exit) => exit,
        },
        Command::Revoke(Revoke { file, server }) => {
            match Written::read(&file).and_then(|token| Ok((token, server.client()?))) {
                Ok((token, client)) => revocations::add(&client, &token),
                Err(exit) => exit,
            }
        }
    }
}

impl Create {
    fn run(self) -> Exit {
        let (sort, server, wanted, valid_for) = match self {
            Self::Dataplane(Dataplane { name, mesh, tags, workload, valid_for, server }) => {
                let mesh = match server.resolved() {
                    Ok(context) => mesh.or_of(&context),
                    Err(exit) => return exit,
                };
                let mut values: Map<String, Value> = Map::new();
                for (key, value) in tags {
                    let list = values.entry(key).or_insert_with(|| json!([]));
                    list.as_array_mut().into_iter().for_each(|list| list.push(json!(value)));
                }
                let wanted = json!({ "mesh": mesh, "name": name, "tags": values, "workload": workload });
                ("dataplane", server, wanted, valid_for)
            }
            Self::Zone(Zone { zone, scope, valid_for, server }) => {
                ("zone", server, json!({ "zone": zone, "scope": scope }), valid_for)
            }
            Self::User(User { name, groups, valid_for, server }) => {
                ("user", server, json!({ "name": name, "groups": groups }), valid_for)
            }
        };
        let mut wanted = wanted;
        wanted["validFor"] = json!(valid_for);
        match server.client().map(|client| client.token(sort, &wanted)) {
            Ok(Ok(token)) => {
                print(&format!("{}\n", token.trim_end()));
                Exit::Ok
            }
            Ok(Err(failed)) => failed.said(),
            Err(exit) => exit,
        }
    }
}

fn inspect(token: &Written, format: Format) -> Exit {
    let now = Timestamp::now();
    let ended = token.expires().is_some_and(|end| end <= now);
    let tree = token.tree();
    let words = || {
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let members = tree.as_object().into_iter().flatten();
        let rows =
            members.filter(|(_, value)| !is_nothing(value)).map(|(key, value)| [key.clone(), shown(value)]);
        let left = token.expires().map(|end| match ended {
            true => ["state".to_owned(), format!("ended {} ago", ago(now.duration_since(end).as_secs()))],
            false => ["state".to_owned(), format!("ends in {}", ago(end.duration_since(now).as_secs()))],
        });
        output::table(["CLAIM", "VALUE"], rows.chain(left))
    };
    output::print_as(format, &tree, words);
    if ended {
        complain("error: the token has ended: nobody is let in by it\n");
        return Exit::Problems;
    }
    Exit::Ok
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
