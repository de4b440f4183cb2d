//! TLS connections of the data plane as plain state: bytes in, bytes out, and the verified identity of the peer.
//!
//! ```text
//!  l4::config::TlsTerms ──TlsContext::new──▶ TlsContext one per generation, shared
//!  TlsContext ──Session::accept, Session::connect──▶ Session                           one per connection
//!  bytes of the wire ──handshake, open──▶ plain bytes      plain bytes ──seal, end──▶ bytes of the wire
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`TlsContext`] | settings of all connections of one side; costlier than a handshake: made beside the loop |
//! | [`Session`] | one connection: five functions, no socket and no clock of its own |
//! | [`PeerRule`] | verification of peers in the mesh: pure, certificates in, a verdict with its reason out |
//! | [`OutsideRule`] | verification of services outside the mesh |
//!
//! The library behind it is s2n-tls (docs/adr/0024), because it accepts and sends every server name that a mesh
//! produces. It verifies signatures, dates and usages of a chain; the [`PeerRule`] decides which names and authorities
//! count.
//!
//! Sessions are never resumed: every connection proves its identity anew, so a changed rule holds for all new
//! connections. `wire` is the only file with `unsafe`: the library reads and writes by callbacks from C, and marks
//! disabling verification as unsafe.

mod context;
mod failure;
mod limits;
mod outside;
mod pem;
mod records;
mod rule;
mod session;
mod wire;

pub use context::{ContextError, Purpose, TlsContext};
pub use failure::Failure;
pub use outside::OutsideRule;
pub use rule::{Distrust, PeerIdentity, PeerRule};
pub use session::{HandshakeProgress, Opened, Session, SessionFacts};
