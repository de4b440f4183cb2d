//! Every door through which somebody else's bytes come in, as one function each.
//!
//! A function returns when the bytes were dealt with and panics when a law was broken: that is what a fuzzer wants to
//! know. The fuzz targets beside this crate call them with bytes that coverage leads to; `tests/smoke.rs` with seeded
//! mutations of our own files, in every test run.

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
