//! Export of traces, metrics and logs to an OpenTelemetry collector.
//!
//! ```text
//!  environment ─▶ Settings ─▶ Exporter ──▶ collector, by OTLP over gRPC or HTTP
//!                               ▲  ▲  ▲
//!   text of /metrics ───────────┘  │  └── Span: progress of a change
//!   lines of the connection log ───┘      (and each connection that is sampled, by its line)
//! ```
//!
//! No caller waits for a collector: items go into queues of bounded length, and what does not fit is dropped and
//! counted. One thread does all of it. Without variables that ask for an export, there is no thread.
#![forbid(unsafe_code)]

mod collector;
mod connection;
mod counts;
mod exporter;
mod exposition;
mod sampler;
mod settings;
mod signal;
mod span;
mod value;

pub use counts::ExportCounts;
pub use exporter::{Exporter, Lines};
pub use settings::{Reading, Settings};
pub use signal::Signal;
pub use span::Span;
pub use value::Value;
