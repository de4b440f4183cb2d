//! Discovery protocol: state-of-the-world and delta discovery as plain state, for both ends, and our own L4 messages.
//!
//! ```text
//!  Plan ──dialect──▶ ResourceSet ──Subscription──▶ responses ⇢ wire ⇢ Mirror ──▶ ResourceSet ──▶ a proxy's Config
//! ```
//!
//! Nothing here opens a socket, reads a clock or spawns a task: the shells in `control` and `proxy` do that.

mod commons;
mod foreign;
mod mirror;
pub mod order;
mod peer;
pub mod proto;
mod resource_set;
mod subscription;
mod type_url;
mod version;

pub use commons::Commons;
pub use foreign::{Foreign, Printed, escape_quoted};
pub use mirror::{Mirror, QUIET, Refusal};
pub use order::Family;
pub use peer::{Stranger, opens, recognise};
pub use resource_set::{ResourceSet, Versioned};
pub use subscription::{BadRequest, Delta, Event, Memory, PATIENCE, Protocol, StateOfTheWorld, Subscription};
pub use type_url::TypeUrl;
pub use version::Version;
