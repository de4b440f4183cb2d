//! Entry points for untrusted bytes, as one function each.
//!
//! A function returns when the bytes were processed, and panics when an invariant was violated: a fuzzer needs no more.
//! The fuzz targets beside this crate call them with bytes guided by coverage; `tests/smoke.rs` with seeded mutations
//! of our own files, in every test run.

pub mod budget;
mod certificate;
mod choices;
mod discovery;
mod dns;
mod draft;
mod hello;
mod mutate;
mod plan;
mod proxy_header;
mod report;

pub use certificate::certificate;
pub use discovery::discovery;
pub use dns::dns;
pub use draft::draft;
pub use hello::hello;
pub use mutate::{Mutations, files_below};
pub use plan::plan;
pub use proxy_header::proxy_header;
pub use report::report;
