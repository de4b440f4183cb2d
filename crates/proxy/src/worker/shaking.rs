//! The stage between the client's first bytes and the decision: where TLS ends here, the client proves who it is.

use std::time::Duration;

use l4::ending::{Ending, Side};
use l4::permit::{Peer, Verdict};
use rustix::event::epoll::EventFlags;
use rustix::net::{SendFlags, send};
use tls::Session;

use super::closing::Closing;
use super::connection::Connection;
use super::deadlines::Micros;
use super::end::{End, Step, pending_error};
use super::env::Env;
use super::handshake::{Shaken, Unshaken, shake};
use crate::relay::Ciphers;

/// The time from acceptance in which a client has to prove who it is.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection whose client proves who it is, or does not have to.
pub(super) enum Shaking {
    /// Nothing more has to be learned from the client.
    Settled,
    /// TLS is shaken.
    Hands {
        /// It waits in the lane for its step.
        queued: bool,
    },
}

impl Shaking {
    /// Begins to shake hands.
    pub(super) fn begin(connection: &mut Connection, env: &mut Env) -> Step<Self> {
        let listener = &connection.listener;
        let context = match listener.tls_for(&connection.facts()) {
            Some(Ok(context)) => context,
            Some(Err(why)) => return Err(End::new(Ending::NoIdentity, why.to_string())),
            None => return Ok(Self::Settled),
        };
        if env.lane.is_overrun(env.now) {
            return Err(End::new(
                Ending::Limit,
                "more TLS handshakes are asked for than this process can do",
            ));
        }
        let session = Session::accept(context).map_err(|why| End::new(Ending::Limit, why.to_string()))?;
        let mut ciphers = Ciphers::default();
        ciphers.sessions[Side::Client as usize] = Some(session);
        connection.ciphers = Some(Box::new(ciphers));
        let shaking = Self::Hands { queued: false };
        env.deadlines.look_at(connection.slot, shaking.due(connection).unwrap_or(env.now));
        // the first bytes may have come with what was awaited before; of others an event tells
        Ok(match connection.directions[Side::Client as usize].pending() {
            [] => shaking,
            _ => shaking.queue(connection, env),
        })
    }

    fn queue(self, connection: &Connection, env: &mut Env) -> Self {
        if let Self::Hands { queued: false } = self {
            env.lane.queue(connection.slot, env.now);
        }
        Self::Hands { queued: true }
    }

    /// Waits for its step, as something happened to the client's socket.
    pub(super) fn on_event(
        self,
        connection: &Connection,
        env: &mut Env,
        flags: EventFlags,
    ) -> Result<Self, Closing> {
        if flags.contains(EventFlags::ERR) {
            let end = End::errno(Ending::ClientReset, pending_error(&connection.client));
            return Err(Closing::undecided(end));
        }
        Ok(self.queue(connection, env))
    }

    /// Does a step, and when it was the last asks whether the client may come in: before anybody is dialled for it.
    pub(super) fn take_turn(self, connection: &mut Connection, env: &mut Env) -> Result<Self, Closing> {
        let Some(ciphers) = &mut connection.ciphers else { return Ok(self) };
        let step =
            shake(ciphers, Side::Client, &mut connection.directions, &connection.client, &mut env.buffers);
        match step {
            Ok(Shaken::Waits) => Ok(Self::Hands { queued: false }),
            Ok(Shaken::More) => Ok(Self::Hands { queued: false }.queue(connection, env)),
            Ok(Shaken::Done) => {
                if let Some(version) = ciphers.version(Side::Client) {
                    env.counters.handshakes.done(Side::Client, version);
                }
                connection.note_client();
                permit(connection, env).map(|()| Self::Settled).map_err(Closing::undecided)
            }
            Err(unshaken) => {
                if let Unshaken::Tls(failure) = &unshaken {
                    env.counters.handshakes.failed(Side::Client, failure);
                    ciphers.failed = Some((Side::Client, failure.word()));
                }
                Err(Closing::undecided(end_of(unshaken)))
            }
        }
    }

    /// The time at which the client has taken too long; `None`: it is not waited for.
    pub(super) fn due(&self, connection: &Connection) -> Option<Micros> {
        match self {
            Self::Settled => None,
            Self::Hands { .. } => Some(connection.opened + PATIENCE),
        }
    }

    /// Ends a connection whose client took too long.
    pub(super) fn overdue() -> Closing {
        Closing::undecided(End::new(
            Ending::TlsTimeout,
            "the client did not finish its TLS handshake in time",
        ))
    }
}

/// Asks whether a client that has proven who it is may connect, and says goodbye to one that may not.
fn permit(connection: &mut Connection, env: &Env) -> Step {
    let end = connection.listener.config.end_for(&connection.facts());
    let Some((_, Some(permissions))) = end else { return Ok(()) };
    let Some(ciphers) = &mut connection.ciphers else { return Ok(()) };
    let Some(session) = &mut ciphers.sessions[Side::Client as usize] else { return Ok(()) };
    let uris = session.facts().map(|facts| facts.peer.uris).unwrap_or_default();
    let peer = Peer { uris: &uris, server_name: connection.server_name.as_deref() };
    let Verdict { allowed, rule, shadow_denied } = permissions.decide(&peer);
    if shadow_denied {
        env.counters.handshakes.shadow_denied.add(1);
        ciphers.shadow_denied = true;
    }
    if allowed {
        return Ok(());
    }
    let mut goodbye = Vec::new();
    session.end(&mut goodbye);
    // a client that does not listen any more needs no goodbye
    let _ = send(&connection.client, &goodbye, SendFlags::NOSIGNAL);
    let who = if uris.is_empty() { "a client without a name".to_owned() } else { uris.join(", ") };
    let by = match rule.and_then(|rule| rule.origin.as_ref()) {
        Some(origin) => format!("{} {}/{} {} denies it", origin.kind, origin.mesh, origin.name, origin.rule),
        None => "no rule allows it".to_owned(),
    };
    Err(End::new(Ending::Denied, format!("{who} may not connect: {by}")))
}

fn end_of(unshaken: Unshaken) -> End {
    match unshaken {
        Unshaken::Tls(failure) => End::new(Ending::TlsFailed, format!("client: {failure}")),
        Unshaken::Socket(errno) => End::errno(Ending::ClientReset, Some(errno)),
    }
}
