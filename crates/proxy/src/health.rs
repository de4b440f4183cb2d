//! Health of endpoints: the thread that feeds the state machines of [`l4::health`], and the state it shares with
//! the workers.
//!
//! ```text
//!  probe ──▶ Check ─────┐
//!                       ├─▶ Vitals ──▶ Fitness ──▶ Roster ──one pointer──▶ workers
//!  Tally ──▶ Ejection ──┘
//! ```
//!
//! The `board` holds the vitals of all clusters that are served; the checker's thread and the thread that applies a
//! configuration lock it, never a worker. Workers read a `Cell`, and record the results of connections in its
//! tallies.

mod board;
mod cell;
mod checker;
mod history;
mod probe;

pub(crate) use board::Board;
pub(crate) use cell::Cell;
pub(crate) use checker::Checker;
