//! The law of a change: what resources make proxies run, what differs when they change, and how far a change has come.
//!
//! ```text
//!  Content (a file, read) ──▶ Ledger ──compile──▶ Compiled: a Told for each proxy ──changes, preview──▶ what differs
//!                                                     └──▶ Rollout, FleetReport ◀── what proxies say
//! ```
//!
//! * [`Ledger`] — resources by [`ResourceKey`](model::ResourceKey), with the documents that they were read from
//! * [`compile`] — a ledger into what every proxy should run, in every dialect; what is wrong or doubtful with it
//! * [`preview`] — what a change would do, before it is made
//! * [`addresses`] — virtual IPs and host names of services
//! * [`permitted()`] — whether one proxy may connect to another, by which rule, and whether either would refuse the handshake
//! * [`import`] — routes of other systems into ours
//! * [`ramp`] — how a MeshTCPRollout goes on
//! * [`rollout`], [`report`] — how far changes have come, as values that travel; [`replica`] — between control planes, too
//! * [`story`] — why one connection went where it went
//! * [`traffic`] — what connections did: counted by proxies, merged, and how fast it went lately
//!
//! It does no IO and knows neither where resources come from nor who watches.
#![forbid(unsafe_code)]

pub mod addresses;
mod carried;
pub mod certificates;
pub mod compile;
mod computed;
mod content;
mod handshake;
pub mod import;
mod ledger;
mod permitted;
pub mod preview;
pub mod ramp;
pub mod replica;
pub mod report;
mod revision;
pub mod rollout;
pub mod status;
pub mod story;
pub mod traffic;

pub use carried::{AVAILABLE_SERVICES, GIVEN_ONCE, carry};
pub use computed::complete;
pub use content::{Content, Entry, problem_of};
pub use handshake::{Certificate, Handshake};
pub use ledger::{Candidate, Ledger};
pub use model::draft::Options;
pub use permitted::{Permitted, permitted};
pub use revision::Revision;
