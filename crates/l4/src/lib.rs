//! The law of a connection: where it goes, what it may wait for, and what becomes of it when the law changes.
//!
//! ```text
//!  ResourceSet ──Config::parse──▶ Config ──┐
//!            facts, draw, health ──────────┴─▶ decide ──▶ Decision
//!  Route before, Route after, live connections ──▶ existing ──▶ who stays, who leaves
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`config`] | L4 messages parsed into one immutable, valid [`Config`] |
//! | [`mod@decide`] | facts, a listener and a draw in; where a connection goes, and why, out |
//! | [`claims`] | which listener a connection is for that the kernel redirected |
//! | [`balance`] | the choice among backends and among endpoints, as arithmetic |
//! | [`existing`] | what a change of weights does to connections that live |
//! | [`health`] | which endpoints are well: checks, ejections, slow starts |
//! | [`permit`] | who may connect over mesh TLS, and by which rule |
//! | [`hello`] | the server name and the protocols in a TLS client hello |
//! | [`mod@dns`] | queries and answers of the DNS server beside a proxy |
//! | [`proxy_protocol`] | who a proxy before us says the client is, and what we say to a backend |
//! | [`direct`] | connections that reach their endpoint without a relay, as whoever watches them tells |
//! | [`ending`] | how a connection ended, or why it was refused |
//! | [`counts`] | what was counted, as values |
//! | [`traffic`] | what of that is new, as reports to a control plane |
//!
//! No socket, no thread, no clock and no chance: time and draws are arguments. So whoever carries connections, and
//! whoever only asks what would become of them, go by the same functions.
#![forbid(unsafe_code)]

pub mod balance;
pub mod claims;
pub mod config;
pub mod counts;
pub mod decide;
pub mod direct;
pub mod dns;
pub mod ending;
pub mod existing;
pub mod health;
pub mod hello;
pub mod permit;
pub mod proxy_protocol;
pub mod traffic;

pub use config::{Config, Problem, Problems, ProxyName};
pub use decide::{Decision, decide};
pub use ending::{Ending, Side};
