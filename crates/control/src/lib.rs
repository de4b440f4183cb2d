//! The control plane: stores, compile loop, discovery over gRPC.
//!
//! ```text
//!  store (files, …) ──candidate──▶ compile ──▶ plans and resource sets of the proxies ──▶ who carries them
//!        ▲                            │
//!        └───── objections ◀──────────┘      what cannot be adopted is held back, file by file
//! ```
#![forbid(unsafe_code)]

pub mod compile;
pub mod discovery;
pub mod fleet;
pub mod store;
