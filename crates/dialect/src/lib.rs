//! Dialects: a plan in the words of a proxy.

mod access_log_format;
mod decode;
mod descriptors;
mod encode;
pub mod envoy;
mod growth;
pub mod l4;
mod redirected;
pub mod secrets;

pub use decode::{DecodeError, decode};
pub use encode::{EncodeError, Problem, encode};
pub(crate) use growth::no_growth;
pub use secrets::{Credentials, OutsideSecret, PrivateKey};
