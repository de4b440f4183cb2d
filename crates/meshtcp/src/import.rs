//! `meshtcp import`: conversion of other systems' routes.

use std::path::PathBuf;

use change::import::{Imported, SourceSystem, import};
use control::plain_file;
use model::Profile;
use model::draft::read_bytes;
use serde_json::json;

use crate::exit::Exit;
use crate::names;
use crate::output::{self, Format, complain, print};
use crate::report::Reporter;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose documents they are
    #[arg(long, value_enum, value_name = "SYSTEM")]
    from: Origin,
    /// Files of documents; `-`: standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The mesh that the routes are for
    #[arg(long, default_value = "default", value_name = "MESH", value_parser = names::mesh)]
    mesh: String,
    /// The Kuma version whose rules apply (see `meshtcp profiles`)
    #[arg(long, default_value_t = Profile::default(), value_name = "VERSION")]
    profile: Profile,
    /// How to print the routes: documents to apply, or one value with the notes in it
    #[arg(short, long, value_enum, default_value_t = Shape::Yaml, value_name = "FORMAT")]
    output: Shape,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Origin {
    /// TCPRoutes of the Kubernetes Gateway API, and the Gateways that they are attached to
    GatewayApi,
    /// VirtualServices of Istio, and the DestinationRules that define their subsets
    Istio,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Shape {
    /// Documents on standard output, notes on standard error
    Yaml,
    /// `{"resources": […], "notes": […]}`
    Json,
}

impl Shape {
    /// Format of everything besides the resources: one value for programs, or lines for people.
    pub(crate) fn format(self) -> Format {
        match self {
            Shape::Yaml => Format::Table,
            Shape::Json => Format::Json,
        }
    }
}

pub(crate) fn run(Args { from, files, mesh, profile, output: shape }: Args) -> Exit {
    let from = match from {
        Origin::GatewayApi => SourceSystem::GatewayApi,
        Origin::Istio => SourceSystem::Istio,
    };
    let (mut documents, mut bad) = (Vec::new(), false);
    for file in files {
        let is_input = file.as_os_str() == "-";
        let got = match is_input {
            true => plain_file::read_input(),
            false => plain_file::read_named(&file),
        };
        let bytes = match got {
            Ok(bytes) => bytes,
            Err(error) => {
                complain(&format!("error: {} cannot be read: {error}\n", file.display()));
                return Exit::Environment;
            }
        };
        let name = if is_input { "standard input".into() } else { file.to_string_lossy().into_owned() };
        let (read, problems) = read_bytes(&name, &bytes);
        documents.extend(read);
        bad |= problems.has_errors();
        Reporter::new().tell(&problems, |_| Some(String::from_utf8_lossy(&bytes).into()));
    }
    let Imported { resources, notes } = import(from, &documents, &mesh, profile);
    match shape {
        Shape::Json => {
            let whole = json!({"resources": resources, "notes": notes});
            print(&output::structured(Format::Json, &whole).unwrap_or_default());
        }
        Shape::Yaml => {
            let documents: Vec<String> = resources.iter().map(output::yaml).collect();
            print(&documents.join("---\n"));
            for note in &notes {
                let word = if note.refused { "error" } else { "note" };
                complain(&format!("{word}: {note}\n"));
            }
            let made = resources.iter().filter(|resource| resource["type"] == "MeshTCPRoute").count();
            let routes = if made == 1 { "1 route".to_owned() } else { format!("{made} routes") };
            let lost = if notes.len() == 1 { "1 note".to_owned() } else { format!("{} notes", notes.len()) };
            complain(&format!("{routes} made, {lost}\n"));
        }
    }
    let refused = notes.iter().any(|note| note.refused);
    if bad || refused || (resources.is_empty() && !documents.is_empty()) { Exit::Problems } else { Exit::Ok }
}
