//! Tests of the REST API over real sockets, as clients use it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails is a failed test"
)]

mod accepted;
mod bounds;
mod cases;
mod client;
mod document;
mod mesh_secrets;
mod proof;
mod recorded;
mod runs;
mod schemathesis;
mod security;
mod server;
mod together;
mod traffic;
