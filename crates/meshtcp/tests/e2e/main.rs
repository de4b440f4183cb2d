//! The program as its users meet it: the built binary, real files, real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on stops

mod addresses;
mod api;
mod asking;
mod attach;
mod backend;
mod backup;
mod breakage;
mod capture;
mod certificates;
mod changes;
mod commands;
mod connection;
mod contexts;
mod database;
mod fingers;
mod fleet;
#[path = "../../../l4/tests/support/hello.rs"]
mod hello;
mod identity;
mod metrics;
mod mirrors;
mod mutation;
mod otlp;
mod page;
mod panics;
mod paths;
mod pinning;
mod ports;
mod program;
mod redis;
mod remote;
mod replicas;
mod rights;
mod rollouts;
mod session;
mod shortage;
mod signals;
mod size;
mod stand_in;
mod standstill;
mod store;
mod structured;
mod takeover;
mod tls;
mod top;
mod town;
mod turned_away;
mod up;
mod up_rollouts;
mod zones;
