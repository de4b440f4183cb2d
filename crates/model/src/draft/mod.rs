//! Drafts: text to documents with positions, documents to resources.
//!
//! ```text
//!  text ──read──▶ Document (a tree, and where each value stands)
//!  Document ──parse──▶ Resource, or all that is wrong with it
//!            └─ envelope ─▶ kind, Meta;  a reader for each kind, made of Fields ─▶ Spec
//! ```
//!
//! ```
//! use meshtcp_model::draft::{Options, parse, read};
//!
//! let text = "type: MeshTCPRoute\nname: canary\nspec:\n  targetRef: {kind: Mesh}\n  too: []\n";
//! let (documents, problems) = read("routes.yaml", text);
//! assert_eq!((documents.len(), problems.len()), (1, 0));
//!
//! let parsed = parse(&documents[0], &Options::default());
//! assert_eq!(parsed.resource, None);
//! let told = parsed.problems[0].to_string();
//! assert_eq!(told, "routes.yaml:5:3: error: spec.too: no such field (did you mean `to`?)");
//! ```
//!
//! Three questions, three functions: [`parse`] is the main entry point (all errors at once, with help),
//! [`validate`] and [`validate_by_stage`] answer in the words of the reference, [`parse_unchecked`] reads stored
//! resources. References between documents are checked by callers that have both.

mod asked;
mod declared;
mod document;
mod envelope;
mod fields;
mod findings;
mod foreign;
mod help;
mod identity;
mod json;
mod kept;
mod kinds;
mod labels;
mod names;
mod nearest;
mod options;
mod parse;
mod places;
mod policy;
mod read;
mod required;
mod scalar;
mod shape;
mod source;
mod topology;
mod yaml;

pub use document::Document;
pub use fields::Fields;
pub use findings::{Findings, Note, NoteSort};
pub use identity::broken_spiffe_id;
#[allow(unused_imports)] // the readers of the topology begin with these
pub(crate) use kinds::{Body, Context};
pub use names::{is_host_name, is_label_value};
pub use nearest::help as did_you_mean;
pub use options::{Options, UnknownFields};
pub use parse::{Parsed, parse, parse_unchecked, validate, validate_by_stage};
pub use read::{read, read_bytes};
pub use shape::{Shape, shape, shape_with_required};
