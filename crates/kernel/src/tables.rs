//! A listener as tables: which draw falls on which backend, and whose turn it is among the endpoints.
//!
//! ```text
//!  Listener, rosters, addresses ──Table::of──▶ Table ── by a draw ─▶ Interval ─▶ Turns ── by a turn ─▶ an address
//! ```
//!
//! For every draw and turn a table answers as [`decide`](l4::decide()) does, or leaves it to the relay.

mod intervals;
mod turns;

pub use intervals::{Interval, Table, Verdict};
pub use turns::{Order, Place, Turns};

/// How many intervals a route may have.
pub const INTERVALS: usize = 64;
/// How many endpoints of a cluster may take turns.
pub const PLACES: usize = 256;
/// How many addresses those may have together.
pub const ADDRESSES: usize = 512;
/// How many endpoints are looked at before a connection is left to the relay.
pub const STEPS: usize = 8;
