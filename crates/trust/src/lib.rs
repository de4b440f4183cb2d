//! Whom a peer over TLS is believed to be.
//!
//! ```text
//!  certificates in PEM ─▶ Trust ─▶ rustls::ClientConfig: commands, proxies, databases
//!  one certificate     ─▶ Facts: names, dates, whether it may sign others
//! ```
//!
//! A peer is believed when its certificate is for the name that was dialled, is valid now, and is either signed by one of the
//! certificates that are trusted or one of them itself, whatever its form says of what it is for. So do OpenSSL, Go and Envoy:
//! what most tools make for a single server is one certificate that may sign others and signs itself.
//!
//! Nothing is read from files here, and nothing is asked of a clock: the time comes with each handshake.
#![forbid(unsafe_code)]

mod der;
mod facts;
mod help;
mod verifier;

pub use facts::Facts;
pub use help::{distrust, help};
pub use verifier::{Trust, TrustError};
