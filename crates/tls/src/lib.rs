//! One TLS connection of the data plane as plain state: bytes in, bytes out, and whom the peer is believed to be.
//!
//! ```text
//!  l4::config::TlsTerms ──Context::new──▶ Context      one a generation, shared
//!  Context ──Session::accept, Session::connect──▶ Session                           one a connection
//!  bytes of the wire ──handshake, open──▶ plain bytes      plain bytes ──seal, end──▶ bytes of the wire
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`Context`] | what all connections of one side have in common; costs more to make than a handshake, so it is made beside the event loop |
//! | [`Session`] | one connection: five functions, no socket and no clock of its own |
//! | [`Rule`] | who is believed in the mesh: pure, certificates in, a verdict with its reason out |
//! | [`OutsideRule`] | the same of services outside of it |
//!
//! The library behind it is s2n-tls (docs/adr/0024), because it takes and sends every server name that a mesh produces. It checks
//! signatures, dates and usages of a chain; which names and which authority count is the [`Rule`]'s.
//!
//! Nothing is resumed: every connection proves its identity anew, so what a rule refuses now it refused for all that begin now.
//! `wire` is the one file with `unsafe`: the library asks for bytes by callbacks from C, and calls it unsafe to verify nothing.

mod context;
mod failure;
mod limits;
mod outside;
mod pem;
mod records;
mod rule;
mod session;
mod wire;

pub use context::{Context, Purpose, Unusable};
pub use failure::Failure;
pub use outside::OutsideRule;
pub use rule::{Distrust, Peer, Rule};
pub use session::{Facts, Opened, Progress, Session};
