//! The L4 data plane.
//!
//! ```text
//!  ResourceSet ──Config::parse──▶ Config ──Proxy::apply──▶ workers: accept ─▶ decide ─▶ connect ─▶ relay ─▶ finish
//!                                                                              │                            │
//!                                                            a Decision with its draw                a line in the log
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`config`] | L4 messages parsed into one immutable, valid [`Config`] |
//! | [`mod@decide`] | facts, a listener and a draw in; where a connection goes, and why, out |
//! | [`balance`] | the choice among backends and among endpoints, as arithmetic |
//! | [`health`] | which endpoints are well: checks, ejections, slow starts |
//! | [`hello`] | the server name in a TLS client hello |
//! | [`proxy_protocol`] | who a proxy before us says the client is, and what we say to a backend |
//! | [`Proxy`] | the running data plane: one event loop a processor, sharing nothing on the path of a connection |
//! | [`discovery`] | configurations from a control plane |
//! | [`takeover`] | listening sockets on their way to the next process |
//! | [`counters`] | what was counted, as a value; [`Proxy::register`] gives the same as Prometheus metrics |
//!
//! A connection keeps the decision it was born with, whatever becomes of the configuration.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use meshtcp_proxy::{Config, ConnectionLog, LineFormat, Options, Proxy, ProxyName};
//! use xds::{ResourceSet, proto::l4};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut set = ResourceSet::default();
//! set.insert_message("outbound", &l4::Listener {
//!     name: "outbound".into(),
//!     address: "127.0.0.1".into(),
//!     port: 13306,
//!     route: "outbound".into(),
//!     ..Default::default()
//! });
//! set.insert_message("outbound", &l4::Route { name: "outbound".into(), ..Default::default() });
//!
//! let log = ConnectionLog { sink: meshtcp_proxy::config::Sink::Stdout, format: LineFormat::Text };
//! let proxy = Proxy::start(Options { connection_log: Some(log), ..Options::default() })?;
//! let report = proxy.apply(Config::parse(&[(ProxyName::from("default/web-1"), &set)])?);
//! for failed in &report.failed {
//!     eprintln!("{failed}");
//! }
//! println!("{} connections live", proxy.counters().active());
//! proxy.drain(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod balance;
pub mod config;
pub mod counters;
pub mod decide;
pub mod discovery;
mod ending;
mod existing;
#[doc(hidden)]
pub mod guard;
pub mod health;
pub mod hello;
mod limits;
mod listen;
mod log;
mod metrics;
mod proxy;
pub mod proxy_protocol;
mod relay;
mod resolve;
pub mod takeover;
mod worker;

pub use config::{Config, Problem, Problems, ProxyName};
pub use counters::Snapshot;
pub use decide::{Decision, decide};
pub use ending::{Ending, Side};
pub use log::{ConnectionLog, LineFormat};
pub use proxy::{ApplyReport, ConnectionInfo, DrainReport, FailedListener, ListenerId, Options, Proxy};
