//! The program as its users meet it: the built binary, real files, real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on stops

mod api;
mod backend;
mod breakage;
mod commands;
mod connection;
mod metrics;
mod mutation;
mod program;
mod redis;
mod takeover;
mod town;
mod up;
