//! The messages on the wire.

pub mod l4;
