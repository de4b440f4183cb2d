//! Rules of a connection: its destination, its limits, and its fate when the rules change.
//!
//! ```text
//!  ResourceSet ──Config::parse──▶ Config ──┐
//!            facts, draw, health ──────────┴─▶ decide ──▶ Decision
//!  Route before, Route after, live connections ──▶ existing ──▶ kept, closed
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`config`] | L4 messages parsed into one immutable, valid [`Config`] |
//! | [`mod@decide`] | facts, a listener and a draw in; the destination of a connection, and the reason, out |
//! | [`claims`] | choice of the listener for a connection that the kernel redirected |
//! | [`balance`] | the choice among backends and among endpoints, as arithmetic |
//! | [`existing`] | effect of a change of weights on live connections |
//! | [`health`] | health of endpoints: checks, ejections, slow starts |
//! | [`permit`] | permissions of clients over mesh TLS, and the deciding rule |
//! | [`hello`] | the server name and the protocols in a TLS client hello |
//! | [`mod@dns`] | queries and answers of the DNS server beside a proxy |
//! | [`proxy_protocol`] | the client according to a proxy in front, and the header for a backend |
//! | [`direct`] | connections that reach their endpoint without a relay, as reported by their observer |
//! | [`ending`] | ending of a connection, or reason of its refusal |
//! | [`counts`] | counters, as values |
//! | [`traffic`] | changes of the counters, as reports to a control plane |
//!
//! No socket, no thread, no clock and no randomness: time and draws are arguments. So the data plane, and a preview of
//! its decisions, use the same functions.
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
mod words;

pub use config::{Config, Problem, Problems, ProxyName};
pub use decide::{Decision, decide};
pub use ending::{Ending, Side};
