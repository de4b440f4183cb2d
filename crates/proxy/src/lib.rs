//! L4 data plane.
//!
//! ```text
//!  ResourceSet ──Config::parse──▶ Config ──Proxy::apply──▶ workers: accept ─▶ decide ─▶ connect ─▶ relay ─▶ finish
//!                                                                              │                            │
//!                                                            a Decision with its draw                a line in the log
//! ```
//!
//! | module or type | content |
//! |---|---|
//! | [`Proxy`] | running data plane: one event loop per processor, sharing nothing on the path of a connection |
//! | [`discovery`] | configurations from a control plane |
//! | [`dns`] | DNS server beside the proxy, for the host names of the mesh |
//! | [`takeover`] | listening sockets on their way to the next process |
//! | [`own_socket`] | Unix sockets with a path, which replace no foreign file and verify their peer |
//!
//! Routing decisions are made by [`l4`]; [`Proxy::counters`] and [`Proxy::register`] provide the counters, as a
//! value and as Prometheus metrics.
//!
//! A connection keeps its decision, even if the configuration changes.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use l4::{Config, ProxyName, config::LogSink};
//! use meshtcp_proxy::{ConnectionLog, LineFormat, Options, Proxy};
//! use xds::{ResourceSet, proto::l4 as message};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut set = ResourceSet::default();
//! set.insert_message("outbound", &message::Listener {
//!     name: "outbound".into(),
//!     address: "127.0.0.1".into(),
//!     port: 13306,
//!     route: "outbound".into(),
//!     ..Default::default()
//! });
//! set.insert_message("outbound", &message::Route { name: "outbound".into(), ..Default::default() });
//!
//! let log = ConnectionLog { sink: LogSink::Stdout, format: LineFormat::Text };
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

mod connection_info;
mod contexts;
mod counters;
mod direct;
pub mod discovery;
pub mod dns;
#[doc(hidden)]
pub mod guard;
mod health;
mod host_authorities;
mod limits;
mod listen;
mod log;
mod loopback;
mod metrics;
pub mod own_socket;
mod part;
mod pinning;
mod proxy;
mod published;
mod relay;
mod resolve;
mod small_file;
pub mod spire;
pub mod takeover;
mod telemetry;
mod worker;

pub use connection_info::{ConnectionInfo, DirectInfo, TlsInfo};
pub use direct::DirectRecorder;
pub use host_authorities::HostAuthorities;
pub use log::{ConnectionLines, ConnectionLog, LineFormat, StandardStream};
pub use part::Part;
pub use pinning::Pinning;
pub use proxy::{ApplyReport, DrainReport, FailedListener, ListenerId, Options, Proxy, why_not_bound};
