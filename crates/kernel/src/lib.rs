//! The same decisions, taken inside connect(2): an application's own socket goes to the endpoint, and there is no hop.
//!
//! ```text
//!  Config, rosters ──▶ tables ──▶ maps ──▶ programs at connect(2) ──▶ records ──▶ what was seen of connections
//!        (pure)                            bpf/mesh.bpf.c
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`path`] | which path the connections of a listener take, and why |
//! | [`tables`] | a listener as tables that answer as [`l4::decide()`] does |
//! | [`Kernel`] | the programs, loaded and attached, and their tables |
//! | [`Records`] | what the programs tell |
//!
//! A program may always do nothing: then the relay carries the connection, as it does without any of this. Nothing is left
//! behind when the process ends, however it ends, unless that was asked for ([`Attaching::pins`]).
#![forbid(unsafe_code)]

mod cgroup;
mod diag;
mod edition;
mod inherited;
mod kernel;
mod layout;
mod left;
mod limits;
mod lives;
pub mod path;
mod pins;
mod program;
mod record;
mod serving;
mod shelf;
pub mod tables;

pub use kernel::Kernel;
pub use left::Left;
pub use limits::Limited;
pub use path::{Means, Path, Reason};
pub use pins::{Attached, Replaced, attached, detach};
pub use program::{Attaching, Records, Trouble};
pub use serving::Serving;
