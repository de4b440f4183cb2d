//! Control plane: stores, compile loop, discovery over gRPC, REST, identity.
//!
//! ```text
//!  sources ──Candidate──▶ run: change::compile ──▶ Fleet ──▶ discovery ⇢ proxies
//!     ▲                      │        │             └──▶ Standing ──▶ API, screens, metrics
//!     └───── objections ◀────┘        └── what cannot be adopted is held back, part by part
//!  store ◀── API, jobs of the one that leads
//! ```
#![forbid(unsafe_code)]

pub mod addresses;
pub mod api;
pub mod arrivals;
pub mod available_services;
pub mod bootstrap;
pub mod certificate;
pub mod discovery;
pub mod door;
mod file_stamp;
pub mod fleet;
pub mod guard;
pub mod hosts;
pub mod identity;
pub mod jobs;
mod listen;
pub mod page;
pub mod plain_file;
mod ports;
pub mod replicas;
pub mod rollouts;
pub mod run;
pub mod sources;
pub mod store;
pub mod telemetry;
pub mod web;
pub mod whole;
pub mod yaml;
