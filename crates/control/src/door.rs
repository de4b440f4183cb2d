//! Admission in front of every server that is reachable over a network: connection limits, and time limits for slow
//! callers.
//!
//! ```text
//!  accept ─▶ Places: is one left? ─▶ Paced: does it progress? ─▶ the requests of one connection
//! ```
//!
//! An idle caller occupies a place for seconds and not for ever, and callers from other hosts never take the last
//! places: those are for callers from this host, who may help.

mod answers;
mod descriptors;
mod followers;
mod own;
mod paced;
mod pages;
mod places;
mod requests;

pub use descriptors::{DescriptorShare, raise_descriptors};
pub use followers::{Follower, Followers};
pub(crate) use own::is_let_in;
pub use own::{OurUser, serve_own_pages};
pub(crate) use paced::{Idle, Paced};
pub use pages::serve_pages;
pub(crate) use places::{Place, Places};
pub(crate) use requests::Requests;
