//! Stage in which an endpoint is dialled: the decision, one attempt after the other, the PROXY protocol header to
//! the backend, and the TLS handshake if its cluster requires one.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use l4::ending::{Ending, Side};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::getsockname;

use tls::Session;

use super::announce::announce;
use super::choice::{Choice, Missed};
use super::closing::Closing;
use super::cluster::Booking;
use super::connection::Connection;
use super::deadlines::Micros;
use super::end::{End, Step, pending_error};
use super::env::Env;
use super::handshake::{Shaken, Unshaken, shake};
use super::mirroring;
use super::next::Next;
use super::relaying::Relaying;
use super::socket::{is_itself, start_connect};

/// Connection whose endpoint is dialled.
pub(super) struct Dialling {
    pub(super) choice: Box<Choice>,
    backend: OwnedFd,
    booking: Booking,
    /// Time at which this attempt began.
    since: Micros,
    phase: Phase,
}

/// Phase of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The connection is being established.
    Connecting,
    /// The endpoint proves its identity; `queued`: the next step waits in the lane.
    Shaking { queued: bool },
}

impl Dialling {
    /// Decides where a connection goes, and dials its endpoint.
    pub(super) fn begin(connection: &Connection, env: &mut Env) -> Next<Self, Relaying> {
        let choice = match Choice::make(connection, env) {
            Ok(choice) => choice,
            Err(refused) => return Next::Close(Closing::refused(refused)),
        };
        // a client that spoke first is watched already
        let sides: &[Side] = match connection.listener.config.client_speaks_first(connection.peer.ip()) {
            true => &[Side::Backend],
            false => &[Side::Backend, Side::Client],
        };
        Self::dial(choice, sides, connection, env)
    }

    /// Dials the chosen endpoint, and watches the sockets of these sides; if that fails at once the next endpoint,
    /// as long as there are attempts.
    fn dial(
        mut choice: Box<Choice>,
        sides: &[Side],
        connection: &Connection,
        env: &mut Env,
    ) -> Next<Self, Relaying> {
        loop {
            match attempt(&mut choice, connection, env) {
                Ok(Some((backend, booking))) => {
                    let dialling =
                        Self { choice, backend, booking, since: env.now, phase: Phase::Connecting };
                    env.deadlines.look_at(connection.slot, dialling.due());
                    return match dialling.watch(sides, connection, env) {
                        Ok(()) => Next::Stay(dialling),
                        Err(end) => Next::Close(dialling.close(end)),
                    };
                }
                Ok(None) => {}
                Err(end) => return Next::Close(Closing::chosen(choice, None, None, end)),
            }
        }
    }

    fn watch(&self, sides: &[Side], connection: &Connection, env: &Env) -> Step {
        sides.iter().try_for_each(|side| match side {
            Side::Client => env.watch(connection.slot, *side, &connection.client),
            Side::Backend => env.watch(connection.slot, *side, &self.backend),
        })
    }

    /// Handles the result of connecting, and relays if it succeeded.
    pub(super) fn on_event(
        mut self,
        connection: &mut Connection,
        env: &mut Env,
        side: Side,
        flags: EventFlags,
    ) -> Next<Self, Relaying> {
        if side == Side::Client {
            if !flags.contains(EventFlags::ERR) {
                return Next::Stay(self);
            }
            let errno = pending_error(&connection.client);
            return Next::Close(self.close(End::errno(Ending::ClientReset, errno)));
        }
        if let Phase::Shaking { queued } = self.phase
            && !flags.contains(EventFlags::ERR)
        {
            if !queued {
                self.queue(connection, env);
            }
            return Next::Stay(self);
        }
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            let errno = pending_error(&self.backend).unwrap_or(Errno::CONNREFUSED);
            return self.fail(errno, connection, env);
        }
        if !flags.contains(EventFlags::OUT) {
            return Next::Stay(self);
        }
        if self.connected_to_itself(&env.shared.ephemeral_ports) {
            return self.fail(Errno::CONNREFUSED, connection, env);
        }
        if let Err(errno) = announce(&self.choice, &self.backend, connection) {
            return self.fail(errno, connection, env);
        }
        match self.choice.cluster.tls() {
            None => self.relay(connection, env),
            Some(Err(why)) => {
                let why = Missed::Unusable(why.clone());
                self.fail(why, connection, env)
            }
            Some(Ok(context)) => {
                let name = self.choice.server_name();
                match Session::connect(context, name) {
                    Ok(session) => {
                        let ciphers = connection.ciphers.get_or_insert_default();
                        ciphers.sessions[Side::Backend as usize] = Some(session);
                        self.queue(connection, env);
                        Next::Stay(self)
                    }
                    Err(failure) => self.fail(Missed::Tls(failure), connection, env),
                }
            }
        }
    }

    fn queue(&mut self, connection: &Connection, env: &mut Env) {
        self.phase = Phase::Shaking { queued: true };
        env.lane.queue(connection.slot, env.now);
    }

    /// Does a step of the TLS handshake.
    pub(super) fn take_turn(mut self, connection: &mut Connection, env: &mut Env) -> Next<Self, Relaying> {
        let (Phase::Shaking { queued: true }, Some(ciphers)) = (self.phase, &mut connection.ciphers) else {
            return Next::Stay(self);
        };
        self.phase = Phase::Shaking { queued: false };
        let directions = &mut connection.directions;
        match shake(ciphers, Side::Backend, directions, &self.backend, &mut env.buffers) {
            Ok(Shaken::Waits) => Next::Stay(self),
            Ok(Shaken::More) => {
                self.queue(connection, env);
                Next::Stay(self)
            }
            Ok(Shaken::Done) => {
                if let Some(version) = ciphers.version(Side::Backend) {
                    env.counters.handshakes.done(Side::Backend, version);
                }
                self.relay(connection, env)
            }
            Err(unshaken) => {
                let missed = match unshaken {
                    Unshaken::Tls(failure) => {
                        env.counters.handshakes.failed(Side::Backend, &failure);
                        ciphers.failed = Some((Side::Backend, failure.word()));
                        Missed::Tls(failure)
                    }
                    Unshaken::Socket(errno) => Missed::Errno(errno),
                };
                self.fail(missed, connection, env)
            }
        }
    }

    fn relay(self, connection: &mut Connection, env: &mut Env) -> Next<Self, Relaying> {
        let Self { choice, backend, booking, since, phase: _ } = self;
        if let Some(ciphers) = &mut connection.ciphers {
            for side in [Side::Client, Side::Backend] {
                ciphers.keep_early(side, &mut connection.directions[side as usize]);
            }
        }
        mirroring::begin(connection, choice.draw, env);
        let mut relaying = Relaying::begin(choice, backend, booking, env.now.since(since), connection, env);
        match relaying.first_turn(connection, env) {
            Ok(()) => Next::Go(relaying),
            Err(end) => Next::Close(relaying.close(connection, env, end)),
        }
    }

    /// Gives up the attempt, and dials the next endpoint or ends the connection.
    pub(super) fn fail(
        self,
        missed: impl Into<Missed>,
        connection: &mut Connection,
        env: &mut Env,
    ) -> Next<Self, Relaying> {
        let Self { mut choice, backend, booking, since: _, phase } = self;
        // its booking is free for the next attempt
        drop((backend, booking));
        if let (Phase::Shaking { .. }, Some(ciphers)) = (phase, &mut connection.ciphers) {
            ciphers.forget(Side::Backend);
            connection.directions[Side::Backend as usize].skip(usize::MAX);
        }
        connection.directions[Side::Backend as usize].readable = false;
        connection.directions[Side::Backend as usize].last = false;
        match choice.turn_to_next(&missed.into(), connection, env) {
            Ok(()) => Self::dial(choice, &[Side::Backend], connection, env),
            Err(end) => Next::Close(Closing::chosen(choice, None, None, end)),
        }
    }

    /// Time at which the attempt times out.
    pub(super) fn due(&self) -> Micros {
        self.since + self.choice.cluster_config().connect_timeout
    }

    /// Ends the connection while it is dialled.
    pub(super) fn close(self, end: End) -> Closing {
        Closing::chosen(self.choice, Some(self.backend), None, end)
    }

    /// Returns `true` if nothing listens at the endpoint, and the kernel happened to dial from the very port that
    /// was dialled.
    ///
    /// TCP then connects the socket with itself: the client would get an echo instead of a backend, and a backend
    /// that starts would find its port taken.
    fn connected_to_itself(&self, ephemeral_ports: &RangeInclusive<u16>) -> bool {
        let address = self.choice.address();
        ephemeral_ports.contains(&address.port())
            && getsockname(&self.backend).ok().and_then(|own| SocketAddr::try_from(own).ok()) == Some(address)
    }
}

/// Books an endpoint, and begins to connect. `None`: that failed at once, and the choice is now the next endpoint.
fn attempt(choice: &mut Choice, of: &Connection, env: &mut Env) -> Step<Option<(OwnedFd, Booking)>> {
    choice.attempts += 1;
    if !choice.leads_past_rules() && is_itself(choice.address(), of) {
        // it would be accepted here, and dialled again, until no descriptor is left
        let address = choice.address();
        let why = |end: End| End { why: format!("{address} is this listener itself").into(), ..end };
        return choice.turn_to_next(&Errno::CONNREFUSED.into(), of, env).map(|()| None).map_err(why);
    }
    let booking = choice.book()?;
    match start_connect(choice.address(), choice.cluster_config()) {
        Ok(backend) => {
            if choice.is_original() && choice.cluster_config().source.is_none() {
                choice.passed = env.shared.passing.note(&backend, choice.address());
            }
            Ok(Some((backend, booking)))
        }
        Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
            env.rest_accepting(errno);
            Err(End::new(Ending::Limit, format!("no socket for the backend: {errno}")))
        }
        Err(errno) => {
            // its booking is free for the next attempt
            drop(booking);
            let source = choice.cluster_config().source.filter(|_| errno == Errno::ADDRNOTAVAIL);
            choice.turn_to_next(&errno.into(), of, env).map_err(|end| match source {
                Some(source) => End {
                    why: format!(
                        "{}; it is dialled from {source}, which has to be an address of lo",
                        end.why
                    )
                    .into(),
                    ..end
                },
                None => end,
            })?;
            Ok(None)
        }
    }
}
