//! Listener as tables: the backend of each draw, and the endpoint of each turn.
//!
//! ```text
//!  Listener, rosters, addresses ──Table::of──▶ Table ── by a draw ─▶ Interval ─▶ Turns ── by a turn ─▶ an address
//! ```
//!
//! For every draw and turn a table answers as [`decide`](l4::decide()) does, or leaves the connection to the relay.

mod intervals;
mod turns;

pub use intervals::{Interval, IntervalVerdict, Table};
pub use turns::{EndpointTurn, Order, Turns};

/// Limit on intervals of a route.
pub const INTERVALS: usize = 64;
/// Limit on endpoints of a cluster that take turns.
pub const PLACES: usize = 256;
/// Limit on addresses of those, in total.
pub const ADDRESSES: usize = 512;
/// Number of endpoints that are tried before a connection is left to the relay.
pub const STEPS: usize = 8;
