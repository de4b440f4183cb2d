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

pub use counts::{Counted, Seen, Sides};
pub use course::{Input, Standing};
pub use evidence::Evidence;
pub use judge::{Judge, Verdict};
pub use state::{Asked, Event, Phase, Ramp, Request, fingerprint};
