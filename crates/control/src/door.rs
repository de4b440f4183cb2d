//! What stands before every server that callers reach over a network: places, and limits for those who take their time.
//!
//! ```text
//!  accept ─▶ Places: is one left? ─▶ Paced: does it move? ─▶ the requests of one connection
//! ```
//!
//! A caller who does nothing costs a place for seconds and not for ever, and callers from other hosts never take the last
//! places: those are for who comes from this host, and may help.

mod descriptors;
mod own;
mod paced;
mod pages;
mod places;
mod requests;

pub use descriptors::{Share, raise_descriptors};
pub(crate) use own::is_let_in;
pub use own::{OurUser, serve_own_pages};
pub(crate) use paced::{Idle, Paced};
pub use pages::serve_pages;
pub(crate) use places::{Place, Places};
pub(crate) use requests::Requests;
