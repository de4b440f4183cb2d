//! The law of a ramp: how a MeshTCPRollout goes on, by what its connections did.
//!
//! ```text
//!  what both sides did since ──▶ Judge: evidence for each condition ──▶ enough? ──▶ it goes back
//!  time, what somebody asks ────────────────────────────────────────▶ Ramp::step ──▶ next weight, events
//! ```
//!
//! Time comes in, and so do counts; the state is a value that travels: it stands in the status of the rollout, and whoever
//! reads it goes on from there. What the numbers mean is in docs/adr/0032.

mod counts;
mod course;
mod evidence;
mod judge;
mod state;

pub use counts::{Counted, Seen, Sides};
pub use course::{Input, Standing};
pub use evidence::Evidence;
pub use judge::{Judge, Verdict};
pub use state::{Asked, Event, Phase, Ramp, Request, fingerprint};
