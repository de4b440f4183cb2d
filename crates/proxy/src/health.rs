//! Which endpoints are well: pure state machines over simulated time, and the one thread that feeds them.
//!
//! ```text
//!  probe ──▶ Check ─────┐
//!                       ├─▶ Vitals ──▶ Fitness ──▶ Roster ──one pointer──▶ workers
//!  Tally ──▶ Ejection ──┘
//! ```
//!
//! `check` and `ejection` know one endpoint each, `vitals` a cluster's. The `board` holds those of all clusters
//! that are served; the checker's thread and whoever applies a configuration lock it, never a worker. Workers read a
//! `Cell`, and leave what happened to connections in its tallies.

mod board;
mod cell;
mod check;
mod checker;
mod ejection;
mod expected;
mod probe;
mod report;
mod toll;
mod vitals;

pub(crate) use board::Board;
pub(crate) use cell::{Cell, Full};
pub(crate) use checker::Checker;
pub use report::{ClusterHealth, EndpointHealth, EndpointState, Usage};
