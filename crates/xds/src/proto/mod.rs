//! The messages on the wire.

pub mod discovery;
pub mod l4;
