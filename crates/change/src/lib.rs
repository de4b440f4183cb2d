//! Effects of changes: the configuration of proxies from resources, its differences, and the progress of a change.
//!
//! ```text
//!  Content (a file, read) ──▶ Ledger ──compile──▶ Compiled: a Told for each proxy ──changes, preview──▶ changes
//!                                                     └──▶ Rollout, FleetReport ◀── answers of proxies
//! ```
//!
//! * [`Ledger`] — resources by [`ResourceKey`](model::ResourceKey), with the documents that they were read from
//! * [`compile`] — a ledger into the configuration of every proxy, in every dialect; its errors and warnings
//! * [`preview`] — effects of a change, before it is made
//! * [`addresses`] — virtual IPs and host names of services
//! * [`permitted()`] — permission of one proxy to connect to another, the deciding rule, and the handshake's outcome
//! * [`import`] — routes of other systems into ours
//! * [`ramp`] — progress of a MeshTCPRollout
//! * [`rollout`], [`report`] — progress of changes, as values that travel; [`replica`] — between control planes, too
//! * [`story`] — explanation of one connection's route
//! * [`paths`] — data paths of outbounds, as proxies report them
//! * [`traffic`] — counters of connections from proxies, merged, with recent rates
//!
//! It does no IO and is independent of the source of resources and of observers.
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
pub mod paths;
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
pub use handshake::{ExpectedCertificate, Handshake};
pub use ledger::{Candidate, Ledger};
pub use model::draft::Options;
pub use permitted::{Permitted, permitted};
pub use revision::Revision;
