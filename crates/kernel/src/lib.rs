//! Decisions about connections inside connect(2): an application's own socket connects to the endpoint, without a hop.
//!
//! ```text
//!  Config, rosters ──▶ tables ──▶ maps ──▶ programs at connect(2) ──▶ records ──▶ what was seen of connections
//!        (pure)                            bpf/mesh.bpf.c
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`path`] | path of the connections of a listener, and its reason |
//! | [`tables`] | listener as tables that answer as [`l4::decide()`] does |
//! | [`Kernel`] | loaded and attached programs, and their tables |
//! | [`Records`] | records of connections written by the programs |
//!
//! A program may always do nothing: then the relay carries the connection, as without programs. Nothing stays attached
//! when the process ends, however it ends, unless requested ([`Attaching::pins`]).
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
mod slot_table;
pub mod tables;

pub use kernel::Kernel;
pub use left::Left;
pub use limits::Limited;
pub use path::{Capabilities, Path, Reason};
pub use pins::{Attached, Replaced, attached, detach};
pub use program::{Attaching, Records, Trouble};
pub use serving::Serving;
