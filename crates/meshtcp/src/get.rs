//! `meshtcp get`: what a control plane stores.

pub(crate) mod row;

use model::ResourceKey;
use model::draft::did_you_mean;
use serde_json::{Value, json};

use crate::answer::complaints;
use crate::client::Client;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::in_force::{collection, path};
use crate::kind::{WrittenKind, key};
use crate::output::{self, Format, Shape, complain, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind, e.g. meshtcproutes, MeshTCPRoute or mtcpr; KIND/NAME for one
    #[arg(value_name = "KIND")]
    kind: WrittenKind,
    /// The names, MESH/NAME for one of another mesh; none: all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    mesh: InMesh,
    /// Of every mesh
    #[arg(short = 'A', long, conflicts_with = "mesh")]
    all_meshes: bool,
    /// Only resources with this label, KEY=VALUE; may be repeated
    #[arg(short = 'l', long = "selector", value_name = "KEY=VALUE")]
    selector: Vec<String>,
    #[command(flatten)]
    server: Server,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Shape,
}

/// That a resource is not there, with the name that was probably meant.
pub(crate) fn absent(client: &Client, key: &ResourceKey) -> String {
    // whatever fails here, it is not there
    let there = client.list(&collection(key.kind, key.mesh_or_empty())).unwrap_or_default();
    let near = did_you_mean(&key.name, there.iter().map(|it| row::text(it, "name")));
    let help = near.map(|near| format!("\n  help: {near}")).unwrap_or_default();
    format!("error: there is no {key}{help}\n")
}

pub(crate) fn run(arguments: Args) -> Exit {
    let Args { kind: WrittenKind { kind, name }, names, mesh, all_meshes, selector, server, output: shape } =
        arguments;
    let resolved = server.resolved().and_then(|context| Ok((server.client()?, mesh.or_of(&context))));
    let (client, mesh) = match resolved {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let names: Vec<String> = name.into_iter().chain(names).collect();
    let mut missing = false;
    let found: Result<Vec<Value>, _> = match names.as_slice() {
        [] => {
            let path = if all_meshes { format!("/{}", kind.plural()) } else { collection(kind, &mesh) };
            client.list(&path)
        }
        names if all_meshes => client.list(&format!("/{}", kind.plural())).map(|mut all| {
            all.retain(|it| names.iter().any(|name| name == row::text(it, "name")));
            for name in names.iter().filter(|name| !all.iter().any(|it| row::text(it, "name") == *name)) {
                missing = true;
                complain(&format!("error: there is no {kind} {name} in any mesh\n"));
            }
            all
        }),
        names => names
            .iter()
            .map(|name| key(kind, &mesh, name))
            .filter_map(|key| match client.get(&path(&key)) {
                Ok(None) => {
                    missing = true;
                    complain(&absent(&client, &key));
                    None
                }
                Ok(Some(found)) => Some(Ok(found)),
                Err(failed) => Some(Err(failed)),
            })
            .collect(),
    };
    let mut found = match found {
        Ok(found) => found,
        Err(failed) => return failed.said(),
    };
    for pair in &selector {
        let Some((key, value)) = pair.split_once('=') else {
            complain(&format!("error: `{pair}` is no selector: write KEY=VALUE\n"));
            return Exit::Usage;
        };
        found.retain(|it| {
            it.get("labels").and_then(|labels| labels.get(key)).and_then(Value::as_str) == Some(value)
        });
    }
    if found.is_empty() && matches!(shape, Shape::Table | Shape::Wide) {
        if !missing {
            complain(&format!("no {kind} is there\n"));
        }
        return if missing { Exit::Problems } else { Exit::Ok };
    }
    let one = (names.len() == 1 && !all_meshes).then(|| found.first().cloned()).flatten();
    let mut tree = one.unwrap_or_else(|| json!({"total": found.len(), "items": found}));
    if let (true, Some(members)) = (missing, tree.as_object_mut()) {
        members.insert("errors".into(), complaints().into());
    }
    print(&match shape {
        Shape::Yaml => output::yaml(&tree),
        Shape::Json => output::structured(Format::Json, &tree).unwrap_or_default(),
        Shape::Name => found
            .iter()
            .map(|it| format!("{}/{}\n", kind.plural(), row::name(kind, it, all_meshes)))
            .collect(),
        Shape::Table => row::table(kind, &found, all_meshes),
        Shape::Wide => row::wide(kind, &found),
    });
    if missing { Exit::Problems } else { Exit::Ok }
}
