//! Ramps: the progress of a MeshTCPRollout, decided by the results of its connections.
//!
//! ```text
//!  what both sides did since ──▶ Judge: evidence for each condition ──▶ enough? ──▶ it goes back
//!  time, requests ──────────────────────────────────────────────────▶ Ramp::step ──▶ next weight, events
//! ```
//!
//! Time and counts are inputs; the state is a value that travels: it is stored in the status of the rollout, and any
//! reader continues from it. The meaning of the numbers is in docs/adr/0032.

mod counts;
mod course;
mod evidence;
mod judge;
mod state;

pub use counts::{ConnectionCounts, ObservedCounts, SideCounts};
pub use course::{Input, RolloutPlacement};
pub use evidence::Evidence;
pub use judge::{Judge, RampVerdict};
pub use state::{Phase, Ramp, RampAction, RampEvent, RampRequest, fingerprint};
