//! Verification of TLS peers.
//!
//! ```text
//!  certificates in PEM ─▶ Trust ─▶ rustls::ClientConfig: commands, proxies, databases
//!  one certificate     ─▶ CertificateFacts: names, dates, whether it may sign others
//!  DER                 ─▶ PEM
//! ```
//!
//! A peer is trusted if its certificate is for the dialled name, is valid now, and is either signed by one of the
//! trusted certificates or one of them itself, whatever its form says about its purpose. OpenSSL, Go and Envoy do the
//! same: most tools make, for a single server, one self-signed certificate that may sign others.
//!
//! Nothing is read from files or from a clock: the time comes with each handshake.
#![forbid(unsafe_code)]

mod facts;
mod help;
mod pem;
mod verifier;

pub use facts::CertificateFacts;
pub use help::{distrust, help};
pub use pem::{pem, pem_of_certificates};
pub use verifier::{Trust, TrustError};
