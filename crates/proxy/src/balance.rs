//! Choosing, as pure arithmetic: a position in, a choice out.
//!
//! [`Split`] chooses among backends by weight, from a [`Draw`]; [`Rotation`] takes turns among endpoints, from a
//! turn number. What advances from one connection to the next is in [`Balance`], one for each listener of a worker.

mod rotation;
mod split;
mod state;

pub use rotation::Rotation;
pub use split::{Draw, Draws, Split};
pub use state::{Balance, Turns};
