//! The stage between the client's first bytes and the decision: where a listener speaks TLS, it is shaken here.
//!
//! None does yet, so there is nothing to wait for and nothing to keep.

use super::connection::Connection;
use super::dialling::Dialling;
use super::env::Env;
use super::next::Next;
use super::relaying::Relaying;

/// A connection about which nothing more has to be learned from the client.
pub(super) struct Shaking;

impl Shaking {
    /// Goes on to the decision.
    pub(super) fn shake(self, connection: &Connection, env: &mut Env) -> Next<Dialling, Relaying> {
        Dialling::begin(connection, env)
    }
}
