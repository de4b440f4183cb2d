//! Discovery protocol: state-of-the-world and delta discovery as plain state, for both ends, and our own L4 messages.
//!
//! ```text
//!  Plan ──dialect──▶ ResourceSet ──Subscription──▶ responses ⇢ wire ⇢ DiscoveryClient ──▶ ResourceSet ──▶ Config
//! ```
//!
//! Nothing here opens a socket, reads a clock or spawns a task: the shells in `control` and `proxy` do that.

mod discovery_client;
mod foreign;
mod interner;
pub mod order;
mod peer;
pub mod proto;
mod resource_set;
mod subscription;
mod type_url;
mod version;

pub use discovery_client::{DiscoveryClient, QUIET, RejectedResource};
pub use foreign::{Foreign, Printed, escape_quoted};
pub use interner::Interner;
pub use order::Family;
pub use peer::{ForeignServer, opens, recognise};
pub use resource_set::{ResourceSet, Versioned};
pub use subscription::{
    BadRequest, Delta, Event, Memory, NameBudget, PATIENCE, Protocol, StateOfTheWorld, Subscription,
};
pub use type_url::TypeUrl;
pub use version::Version;
