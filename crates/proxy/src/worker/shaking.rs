//! Stage between the client's first bytes and the decision: if TLS is terminated here, the client proves its
//! identity.

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

/// Timeout of a client's handshake, from its acceptance.
const PATIENCE: Duration = Duration::from_secs(15);

/// Connection whose client proves its identity, or does not have to.
pub(super) enum Shaking {
    /// Nothing more is needed from the client.
    Settled,
    /// The TLS handshake is in progress.
    Hands {
        /// `true`: it waits in the lane for its step.
        queued: bool,
    },
}

impl Shaking {
    /// Begins the handshake.
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
        // the first bytes may have come with earlier ones; an event reports others
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

    /// Queues a step, after an event of the client's socket.
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

    /// Does a step, and after the last one checks whether the client may connect: before any endpoint is dialled
    /// for it.
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

    /// Time at which the client times out; `None`: it is not waited for.
    pub(super) fn due(&self, connection: &Connection) -> Option<Micros> {
        match self {
            Self::Settled => None,
            Self::Hands { .. } => Some(connection.opened + PATIENCE),
        }
    }

    /// Ends a connection whose client timed out.
    pub(super) fn overdue() -> Closing {
        Closing::undecided(End::new(
            Ending::TlsTimeout,
            "the client did not finish its TLS handshake in time",
        ))
    }
}

/// Checks whether a client that has proven its identity may connect, and closes TLS with one that may not.
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
    // a client that does not read any more needs no close_notify
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
