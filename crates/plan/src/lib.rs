//! What each proxy must do, and why.

mod plan;

pub use plan::*;
