//! Text into documents with positions, documents into resources.
//!
//! ```text
//!  text ──read──▶ Document (a tree, and where each value stands)
//!  Document ──parse──▶ Resource, or all that is wrong with it
//!            └─ envelope ─▶ kind, Meta;  a reader for each kind, made of Fields ─▶ Spec
//! ```

mod document;
mod envelope;
mod fields;
mod findings;
mod help;
mod json;
mod kinds;
mod labels;
mod names;
mod nearest;
mod parse;
mod policy;
mod scalar;
mod source;
mod topology;
mod yaml;

pub use document::{Document, read, read_bytes};
pub use fields::Fields;
pub use findings::{Findings, Note, NoteSort};
#[allow(unused_imports)] // the readers of the topology begin with these
pub(crate) use kinds::{Body, Context};
pub use parse::{Options, Parsed, UnknownFields, parse, parse_unchecked, validate, validate_by_stage};
