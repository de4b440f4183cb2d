//! Import of routes of other systems: documents in, our documents and notes about losses out. Pure.
//!
//! ```text
//!  TCPRoute, VirtualService (+ DestinationRule) ──import──▶ MeshTCPRoutes, and a note for each thing that was lost
//! ```
//!
//! Nothing is guessed silently: a field that has no counterpart, or an order that means something else here, gets a
//! note with its place. A route that would take more or other connections than its source is refused. Services are
//! referenced, not created: where no name is possible, the note says what to write.

mod gateway_api;
mod istio;
mod note;
mod route;

use std::collections::BTreeSet;

use model::draft::{Document, Options, parse};
use model::{Profile, Severity};
use serde_json::Value;

pub use note::Note;
use note::Origin;
use route::Route;

/// System whose documents are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceSystem {
    /// Gateway API of Kubernetes: TCPRoute, of `v1` and its alphas, with the Gateways that it is attached to.
    GatewayApi,
    /// Istio: VirtualService, with the DestinationRules that define its subsets.
    Istio,
}

/// Result of an import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Our documents, in the Universal format and in the order of their sources.
    pub resources: Vec<Value>,
    /// Notes about losses and points to check, in the order of the documents.
    pub notes: Vec<Note>,
}

/// Result from the documents of one system.
#[derive(Debug, Default)]
struct Made<'a> {
    /// Documents besides the routes, without their mesh, each with its source.
    others: Vec<(Origin<'a>, Value)>,
    routes: Vec<Route<'a>>,
    notes: Vec<Note>,
}

/// Imports documents into a mesh. Every resource in the result is valid in the profile.
pub fn import(from: SourceSystem, documents: &[Document], mesh: &str, profile: Profile) -> Imported {
    let Made { others, routes, notes } = match from {
        SourceSystem::GatewayApi => gateway_api::import(documents),
        SourceSystem::Istio => istio::import(documents),
    };
    let mut imported = Imported { resources: Vec::new(), notes };
    let mut add = |origin: &Origin<'_>, document: Value| {
        let options = Options { profile, ..Options::default() };
        let parsed = parse(&Document::from_value("", document.clone()), &options);
        let errors = parsed.problems.iter().filter(|it| it.severity == Severity::Error);
        let kind = document["type"].as_str().unwrap_or_default().to_owned();
        let errors: Vec<Note> =
            errors.map(|it| origin.refusal("", format!("gives no valid {kind}: {}", it.violation))).collect();
        match errors.is_empty() {
            true => imported.resources.push(document),
            false => imported.notes.extend(errors),
        }
    };
    for (origin, mut document) in others {
        document["mesh"] = mesh.into();
        add(&origin, document);
    }
    let (mut taken, mut renamed) = (BTreeSet::new(), Vec::new());
    for route in routes {
        let name = route.free_name(&taken);
        if name != route.wanted_name() {
            renamed.push(
                route
                    .origin
                    .note("metadata.name", format!("another route has the name: this one is `{name}`")),
            );
        }
        taken.insert(name.clone());
        add(&route.origin, route.document(mesh, &name));
    }
    imported.notes.extend(renamed);
    imported
}
