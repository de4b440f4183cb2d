//! The control plane: stores, compile loop, discovery over gRPC, REST, identity.
//!
//! ```text
//!  store (files, …) ──candidate──▶ compile ──▶ plans and resource sets of the proxies ──▶ who carries them
//!        ▲                            │
//!        └───── objections ◀──────────┘      what cannot be adopted is held back, file by file
//! ```
#![forbid(unsafe_code)]

pub mod api;
pub mod certificate;
pub mod compile;
pub mod discovery;
pub mod fleet;
pub mod guard;
pub mod identity;
pub mod import;
mod listen;
mod look;
pub mod preview;
pub mod store;
pub mod web;
pub mod whole;
pub mod yaml;
