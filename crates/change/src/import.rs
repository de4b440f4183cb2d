//! Routes of other systems into ours: documents in, documents out, and what could not be carried over. Pure.
//!
//! ```text
//!  TCPRoute, VirtualService (+ DestinationRule) ──import──▶ MeshTCPRoutes, and a note for each thing that was lost
//! ```
//!
//! Nothing is guessed in silence: a field that has no counterpart, or an order that means something else here, is a
//! note with its place. What would take more or other connections than the source does is refused. Services are named, not
//! made: where nothing can be named, the note says what to write.

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

/// Whose documents are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The Gateway API of Kubernetes: TCPRoute, of `v1` and its alphas, with the Gateways that it is attached to.
    GatewayApi,
    /// Istio: VirtualService, with the DestinationRules that define its subsets.
    Istio,
}

/// What became of the documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Our documents, in the Universal format and in the order of what they come from.
    pub resources: Vec<Value>,
    /// What could not be carried over, and what to look at; in the order of the documents.
    pub notes: Vec<Note>,
}

/// What is made of the documents of one system.
#[derive(Debug, Default)]
struct Made<'a> {
    /// Documents beside the routes, without their mesh, and what they come from.
    others: Vec<(Origin<'a>, Value)>,
    routes: Vec<Route<'a>>,
    notes: Vec<Note>,
}

/// Imports documents into a mesh. Every resource in the result is valid in the profile.
pub fn import(from: From, documents: &[Document], mesh: &str, profile: Profile) -> Imported {
    let Made { others, routes, notes } = match from {
        From::GatewayApi => gateway_api::import(documents),
        From::Istio => istio::import(documents),
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
