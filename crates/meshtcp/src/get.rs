//! `meshtcp get`: stored resources of a control plane.

mod json_path;
pub(crate) mod row;
mod shape;
mod watch;

use clap_complete::engine::ArgValueCompleter;
use model::draft::did_you_mean;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};

use crate::answer::complaints;
use crate::client::{Client, Failed};
use crate::completion;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::in_force::{collection, path};
use crate::kind::{WrittenKind, WrittenKinds, key};
use crate::output::{self, Format, complain, print, print_list};
use crate::selector::Selector;

pub(crate) use shape::{Shape, WORDS as SHAPES};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind, e.g. meshtcproutes, MeshTCPRoute or mtcpr; several by commas, `all` for every kind but secrets; KIND/NAME for
    /// one
    #[arg(value_name = "KIND", add = ArgValueCompleter::new(completion::kinds))]
    kinds: WrittenKinds,
    /// The names, MESH/NAME for one of another mesh; none: all
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(completion::names))]
    names: Vec<String>,
    #[command(flatten)]
    mesh: InMesh,
    /// Of every mesh
    #[arg(short = 'A', long, conflicts_with = "mesh")]
    all_meshes: bool,
    #[command(flatten)]
    selector: Selector,
    /// Go on with what changes
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    server: Server,
    /// How to print them: table, wide, yaml, json, name, jsonpath=TEMPLATE, jsonpath-file=FILE or
    /// custom-columns=HEADING:PATH,…
    #[arg(short, long, default_value = "table", value_name = "FORMAT", add = ArgValueCompleter::new(completion::shapes))]
    output: Shape,
}

/// Message that a resource does not exist, with the name that was probably meant.
pub(crate) fn absent(client: &Client, key: &ResourceKey) -> String {
    // whatever fails here, the resource does not exist
    let there = client.list(&collection(key.kind, key.mesh_or_empty())).unwrap_or_default();
    let near = did_you_mean(&key.name, there.iter().map(|it| row::text(it, "name")));
    let help = near.map(|near| format!("\n  help: {near}")).unwrap_or_default();
    format!("error: there is no {key}{help}\n")
}

/// Resources that the command line asks for.
struct Question {
    kinds: Vec<Kind>,
    names: Vec<String>,
    mesh: String,
    all_meshes: bool,
    selector: Selector,
}

/// Existing resources of a kind.
struct Found {
    kind: Kind,
    items: Vec<Value>,
}

impl Question {
    /// Asks the control plane for all of them. `missing` receives a message per named resource that does not exist.
    fn asked(&self, client: &Client, mut missing: impl FnMut(String)) -> Result<Vec<Found>, Failed> {
        let Self { kinds, names, mesh, all_meshes, selector } = self;
        let mut found = Vec::new();
        for &kind in kinds {
            let mut items = match names.as_slice() {
                [] if *all_meshes => client.list(&format!("/{}", kind.plural()))?,
                [] => client.list(&collection(kind, mesh))?,
                names if *all_meshes => {
                    let mut all = client.list(&format!("/{}", kind.plural()))?;
                    all.retain(|it| names.iter().any(|name| name == row::text(it, "name")));
                    for name in
                        names.iter().filter(|name| !all.iter().any(|it| row::text(it, "name") == *name))
                    {
                        missing(format!("error: there is no {kind} {name} in any mesh\n"));
                    }
                    all
                }
                names => {
                    let mut named = Vec::new();
                    for key in names.iter().map(|name| key(kind, mesh, name)) {
                        match client.get(&path(&key))? {
                            Some(resource) => named.push(resource),
                            None => missing(absent(client, &key)),
                        }
                    }
                    named
                }
            };
            items.retain(|it| selector.admits(it));
            found.push(Found { kind, items });
        }
        Ok(found)
    }
}

pub(crate) fn run(arguments: Args) -> Exit {
    let Args {
        kinds: WrittenKinds(written),
        names,
        mesh,
        all_meshes,
        selector,
        watch,
        server,
        output: shape,
    } = arguments;
    let (client, mesh) = match server.client_in(&mesh) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let names: Vec<String> = written.iter().filter_map(|it| it.name.clone()).chain(names).collect();
    let mut kinds: Vec<Kind> = written.into_iter().map(|WrittenKind { kind, .. }| kind).collect();
    if kinds.len() > 1 {
        match client.kinds() {
            Ok(served) => kinds.retain(|kind| served.contains(kind.plural())),
            Err(failed) => return failed.said(),
        }
    }
    let question = Question { kinds, names, mesh, all_meshes, selector };
    let mut is_missing = false;
    let found = question.asked(&client, |why| {
        is_missing = true;
        complain(&why);
    });
    let found = match found {
        Ok(found) => found,
        Err(failed) => return failed.said(),
    };
    let exit = if is_missing { Exit::Problems } else { Exit::Ok };
    if watch {
        print_each(&shape, &question, &found, true);
        return watch::follow(&client, &question, &shape, found);
    }
    if found.iter().all(|it| it.items.is_empty()) && shape.format() == Format::Table {
        if let (Exit::Ok, Some(Found { kind, .. })) = (exit, found.first()) {
            complain(&match found.len() {
                1 => format!("no {kind} is there\n"),
                _ => "nothing is there\n".to_owned(),
            });
        }
        return exit;
    }
    print_together(&shape, &question, &found, is_missing);
    exit
}

/// Prints the found resources as one value if a program reads it.
fn print_together(shape: &Shape, question: &Question, found: &[Found], is_missing: bool) {
    let all: Vec<&Value> = found.iter().flat_map(|it| &it.items).collect();
    let one = question.names.len() == 1 && question.kinds.len() == 1 && !question.all_meshes;
    let one = if one { all.first().map(|one| (*one).clone()) } else { None };
    let mut tree = one.unwrap_or_else(|| json!({"total": all.len(), "items": all}));
    match shape {
        Shape::Yaml | Shape::Json => {
            if let (true, Some(members)) = (is_missing, tree.as_object_mut()) {
                members.insert("errors".into(), complaints().into());
            }
            print(&output::structured(shape.format(), &tree).unwrap_or_default());
        }
        Shape::JsonPath(template) => print(&template.of(&tree)),
        Shape::Columns(_) | Shape::Table | Shape::Wide | Shape::Name => {
            print_each(shape, question, found, true)
        }
    }
}

/// Prints the found resources one by one; `header`: with headings over columns.
fn print_each(shape: &Shape, question: &Question, found: &[Found], header: bool) {
    let Question { kinds, all_meshes, .. } = question;
    let headless = |table: String| match header {
        true => table,
        false => table.lines().skip(1).map(|line| format!("{line}\n")).collect(),
    };
    let all = || found.iter().flat_map(|it| &it.items);
    let by_kind = |table: &dyn Fn(Kind, &[Value]) -> String| {
        let there = found.iter().filter(|it| !it.items.is_empty());
        print_list(&there.map(|it| headless(table(it.kind, &it.items))).collect::<Vec<_>>().join("\n"));
    };
    match shape {
        Shape::Table => by_kind(&|kind, items| row::table(kind, items, *all_meshes, kinds.len() > 1)),
        Shape::Wide => by_kind(&row::wide),
        Shape::Columns(columns) => {
            print_list(&headless(shape::columns(columns, &all().collect::<Vec<_>>())));
        }
        Shape::Name => {
            let lines = found.iter().flat_map(|Found { kind, items }| {
                items.iter().map(|it| format!("{}/{}\n", kind.plural(), row::name(*kind, it, *all_meshes)))
            });
            print(&lines.collect::<String>());
        }
        Shape::JsonPath(template) => print(&all().map(|it| template.of(it)).collect::<String>()),
        Shape::Yaml => print(&all().map(|it| format!("---\n{}", output::yaml(it))).collect::<String>()),
        Shape::Json => print(&all().map(|it| format!("{it}\n")).collect::<String>()),
    }
}
