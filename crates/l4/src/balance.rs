//! Load balancing as pure arithmetic: a position in, a choice out.
//!
//! | type | chooses | from |
//! |---|---|---|
//! | [`Split`] | a backend by weight | a [`Draw`] |
//! | [`Rendezvous`] | a backend by weight, the same one for a client again and again | the client's address |
//! | [`Roster`] | an endpoint, by its [`BalancingPolicy`] | a turn number, the client's address, the loads |
//!
//! A roster is made of [`Rotation`], [`Ring`], [`Maglev`] and [`least`]. State that advances from one connection to the
//! next is in [`Balance`], one for each listener of a worker.

pub mod hash;
mod least;
mod maglev;
mod policy;
mod rendezvous;
mod ring;
mod roster;
mod rotation;
mod split;
mod state;

pub use least::least;
pub use maglev::{DEFAULT_TABLE, Maglev};
pub use policy::BalancingPolicy;
pub use rendezvous::Rendezvous;
pub use ring::{DEFAULT_RING, Ring};
pub use roster::{Condition, Fitness, PickRule, Roster, Tables};
pub use rotation::Rotation;
pub use split::{Draw, Draws, Split};
pub use state::Balance;
