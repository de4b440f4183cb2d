//! Text into documents with positions, documents into resources.
//!
//! ```text
//!  text ──read──▶ Document (a tree, and where each value stands)
//!  Document ──Fields, Findings──▶ Spec            (a reader for each kind: a list of fields)
//! ```

mod document;
mod fields;
mod findings;
mod json;
mod kinds;
mod nearest;
mod scalar;
mod source;
mod topology;
mod yaml;

pub use document::{Document, read, read_bytes};
pub use fields::Fields;
pub use findings::{Findings, Note, NoteSort};
#[allow(unused_imports)] // the readers of the topology begin with these
pub(crate) use kinds::{Body, Context};
