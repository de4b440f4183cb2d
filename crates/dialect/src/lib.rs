//! A plan, said in a proxy's own words.

mod decode;
mod descriptors;
mod encode;

pub use decode::{DecodeError, decode};
pub use encode::{EncodeError, Problem, encode};
