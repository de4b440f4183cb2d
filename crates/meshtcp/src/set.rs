//! `meshtcp set`: changes one field of a stored resource.

mod fields;
mod place;

use change::preview::Preview;
use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use crate::apply::answer;
use crate::apply::wait::{Wait, waited};
use crate::backends::{ATTEMPTS, Route, in_a_line, name_of};
use crate::client::Client;
use crate::completion;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::kind::WrittenKind;
use crate::output::{self, Format, complain, print};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<Subject>,
    /// The kind, e.g. meshtcproutes, MeshTCPRoute or mtcpr; or KIND/NAME
    #[arg(value_name = "KIND", required = true, add = ArgValueCompleter::new(completion::kinds))]
    kind: Option<WrittenKind>,
    #[arg(
        value_name = "NAME|PLACE=VALUE",
        required = true,
        add = ArgValueCompleter::new(completion::names),
        help = "The name, MESH/NAME for one of another mesh; and PLACE=VALUE for each field, such as \
                spec.to[0].rules[0].default.backendRefs[redis-v2].weight=10. PLACE- takes it out; [+] is a new item of a list"
    )]
    words: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// The flags of every change: where it is made, whether it is only tried or waited for, and how it is told.
#[derive(Debug, clap::Args)]
struct Options {
    /// Only say what it would do
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    mesh: InMesh,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Give backends of a MeshTCPRoute other weights
    Weight(Box<WeightArgs>),
}

#[derive(Debug, clap::Args)]
struct WeightArgs {
    /// The MeshTCPRoute, MESH/NAME for one of another mesh
    #[arg(value_name = "ROUTE")]
    route: String,
    /// A backend of it, and its weight: redis-v2=10, or redis-v2:6379=10; the others keep theirs
    #[arg(value_name = "BACKEND=WEIGHT", required = true, value_parser = weight)]
    weights: Vec<(String, u64)>,
    /// Only where connections to this destination go, where the route speaks about several
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    #[command(flatten)]
    options: Options,
}

fn weight(text: &str) -> Result<(String, u64), String> {
    let wrong = || "write BACKEND=WEIGHT, such as redis-v2=10".to_owned();
    let (name, weight) = text.rsplit_once('=').ok_or_else(wrong)?;
    let weight = weight.parse::<u32>().map_err(|_| wrong())?;
    Ok((name.to_owned(), u64::from(weight)))
}

pub(crate) fn run(arguments: Args) -> Exit {
    match arguments.what {
        Some(Subject::Weight(weights)) => set_weights(&weights),
        None => fields::run(&arguments).unwrap_or_else(|exit| exit),
    }
}

fn set_weights(arguments: &WeightArgs) -> Exit {
    let Options { server, mesh, .. } = &arguments.options;
    match server.client_in(mesh) {
        Ok((client, mesh)) => set(arguments, &client, &mesh).unwrap_or_else(|exit| exit),
        Err(exit) => exit,
    }
}

fn set(arguments: &WeightArgs, client: &Client, mesh: &str) -> Result<Exit, Exit> {
    let WeightArgs { route, weights, destination, options } = arguments;
    let Options { dry_run, wait, output: format, .. } = options;
    let key = Route::key(mesh, route);
    let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
    for _ in 0..ATTEMPTS {
        let mut found = Route::of(client, key.clone())?;
        let splits = found.splits(&names, destination.as_deref()).map_err(|why| {
            complain(&format!("error: {why}\n"));
            Exit::Problems
        })?;
        if splits.len() > 1 && destination.is_none() {
            let targets: Vec<&str> = splits.iter().filter_map(|it| it.target["name"].as_str()).collect();
            let help = format!("say which with --destination: {}", targets.join(", "));
            complain(&format!("error: {key} has several splits with such backends\n  help: {help}\n"));
            return Err(Exit::Problems);
        }
        for split in &splits {
            for (place, (_, weight)) in split.places.iter().zip(weights) {
                found.set(split, *place, *weight);
            }
        }
        let preview = client.preview(&[found.document()]).map_err(|failed| failed.said())?;
        if preview.is_refused() || *dry_run {
            return Ok(shown(&preview, *format));
        }
        let Some(put) = found.put(client).map_err(|failed| failed.said())? else { continue };
        let all = splits.iter().flat_map(|split| found.refs(split));
        let all = all.map(|it| format!("{}={}", name_of(it), it["weight"].as_u64().unwrap_or(1)));
        if *format == Format::Table {
            print(&format!("{key} {}, {}", all.collect::<Vec<_>>().join(" "), in_a_line(&preview)));
            put.warnings.iter().for_each(|warning| complain(&format!("warning: {key}: {warning}\n")));
        }
        let (rollout, exit) = waited(client, put.revision, wait);
        if *format != Format::Table {
            let resource =
                json!([{ "kind": key.kind, "mesh": key.mesh, "name": key.name, "outcome": "updated" }]);
            print(
                &output::structured(*format, &answer(&resource, put.revision, rollout.as_ref()))
                    .unwrap_or_default(),
            );
        }
        return Ok(exit);
    }
    complain(&format!("error: others change {key} at the same time: try again\n"));
    Err(Exit::Problems)
}

/// Prints the whole preview, for a dry run or a refused change.
pub(crate) fn shown(preview: &Preview, format: Format) -> Exit {
    print(&output::structured(format, preview).unwrap_or_else(|| preview.to_string()));
    if preview.is_refused() { Exit::Problems } else { Exit::Ok }
}
