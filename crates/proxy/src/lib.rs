//! The L4 data plane.
#![forbid(unsafe_code)]

pub mod balance;
pub mod config;
pub mod decide;

pub use config::{Config, Problem, Problems, ProxyName};
pub use decide::{Decision, decide};
