//! Stage in which bytes move.
//!
//! Small messages are served directly from their events. Bulk takes its turns, see [`turns`]; streams are watched
//! separately, see [`streams`].

pub(super) mod streams;
pub(super) mod turns;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use l4::ending::{Ending, Side};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use self::turns::LARGEST_QUANTUM;
use super::choice::Choice;
use super::closing::Closing;
use super::cluster::Booking;
use super::connection::Connection;
use super::deadlines::Micros;
use super::end::{End, Step, pending_error};
use super::env::Env;
use crate::counters::EndpointCounters;
use crate::relay::{Broken, Direction, Fault, Pumped, pump, pump_ciphered};

/// Limit on the reads of a direction that moves small messages.
const SMALL_QUANTUM: u32 = 4;

/// Connection whose endpoint is connected.
pub(super) struct Relaying {
    pub(super) choice: Box<Choice>,
    backend: OwnedFd,
    _booking: Booking,
    /// Counters of the endpoint.
    endpoint: Arc<EndpointCounters>,
    connect_time: Duration,
    /// Time at which bytes moved last, or at which it was connected.
    pub(super) moved_at: Micros,
    /// End of the grace period of a backend that was removed; `None`: it was not.
    pub(super) close_at: Option<Micros>,
    /// Side that ended first; `None`: neither did.
    first_end: Option<Side>,
    /// `true`: it waits for its turn among those that move bulk.
    queued: bool,
    /// `true`: the weights that decided are no longer those of its route.
    outdated: bool,
    /// `true`: its sockets are watched among those of streams.
    apart: bool,
}

/// Next action for a connection after bytes moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Wait for a socket.
    Wait,
    /// Take another turn.
    More,
    /// Check again a little later, whether or not an event reports more.
    Rest,
}

impl Relaying {
    /// Counts a connection that was just connected.
    pub(super) fn begin(
        choice: Box<Choice>,
        backend: OwnedFd,
        mut booking: Booking,
        connect_time: Duration,
        connection: &Connection,
        env: &Env,
    ) -> Self {
        connection.listener.counters.connect_times.observe_connect(connect_time);
        booking.established();
        choice.cluster.cell().connected(choice.forward.endpoint.endpoint);
        choice.to.counters.opened.add(1);
        choice.to.counters.active.add(1);
        let endpoint = choice.endpoint_counters();
        endpoint.opened.add(1);
        endpoint.active.add(1);
        endpoint.connect_times.observe_connect(connect_time);
        Self {
            choice,
            backend,
            _booking: booking,
            endpoint,
            connect_time,
            moved_at: env.now,
            close_at: None,
            first_end: None,
            queued: false,
            outdated: false,
            apart: false,
        }
    }

    /// Moves the bytes that have arrived until now, and begins to watch the time.
    pub(super) fn first_turn(&mut self, connection: &mut Connection, env: &mut Env) -> Step {
        self.watch_time(connection, env);
        self.serve(connection, env, &[Side::Client, Side::Backend], SMALL_QUANTUM)
    }

    fn watch_time(&self, connection: &Connection, env: &mut Env) {
        if let Some((due, ..)) = self.due(connection, env) {
            env.deadlines.look_at(connection.slot, due);
        }
    }

    /// Serves a small message at once, and queues bulk.
    // each request passes through it twice, and it has one caller
    #[inline]
    pub(super) fn on_event(
        &mut self,
        connection: &mut Connection,
        env: &mut Env,
        side: Side,
        flags: EventFlags,
    ) -> Step {
        if flags.contains(EventFlags::ERR) {
            return Err(self.reset_by(side, connection, env));
        }
        if connection.directions.iter().any(Direction::is_bulk) {
            self.queue(connection, env);
            return Ok(());
        }
        env.turns.note_small();
        let readable = flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP);
        let writable = flags.contains(EventFlags::OUT);
        match (readable, writable) {
            (true, true) => self.serve(connection, env, &[side, side.other()], SMALL_QUANTUM),
            (true, false) => self.serve(connection, env, &[side], SMALL_QUANTUM),
            (false, true) => self.serve(connection, env, &[side.other()], SMALL_QUANTUM),
            (false, false) => Ok(()),
        }
    }

    /// Takes a turn of bulk, if it waits for one.
    pub(super) fn take_turn(&mut self, connection: &mut Connection, env: &mut Env, quantum: u32) -> Step {
        match std::mem::take(&mut self.queued) {
            true => self.serve(connection, env, &[Side::Client, Side::Backend], quantum),
            false => Ok(()),
        }
    }

    /// Handles a reset by one end: what it sent before is passed on as far as possible, then the reset.
    fn reset_by(&mut self, side: Side, connection: &mut Connection, env: &mut Env) -> End {
        loop {
            match self.carry(side, connection, env, LARGEST_QUANTUM) {
                // the bytes before a reset are finite
                Ok(Flow::More | Flow::Rest) => {}
                Ok(Flow::Wait) => break,
                Err(end) => return end,
            }
        }
        let socket = match side {
            Side::Client => &connection.client,
            Side::Backend => &self.backend,
        };
        End::errno(Ending::reset_by(side), pending_error(socket))
    }

    /// Moves bytes in the given directions, and handles the result.
    fn serve(&mut self, connection: &mut Connection, env: &mut Env, sides: &[Side], quantum: u32) -> Step {
        let (mut more, mut rest) = (false, false);
        for side in sides {
            match self.carry(*side, connection, env, quantum)? {
                Flow::Wait => {}
                Flow::More => more = true,
                Flow::Rest => rest = true,
            }
        }
        if more {
            self.queue(connection, env);
        } else if rest && !self.queued {
            self.queued = true;
            env.turns.rest(connection.slot);
            env.streams.expect(env.now);
        }
        let streams = connection.directions.iter().any(Direction::is_streaming);
        if streams == self.apart { Ok(()) } else { self.move_sockets(connection, env) }
    }

    fn queue(&mut self, connection: &Connection, env: &mut Env) {
        if !std::mem::replace(&mut self.queued, true) {
            env.turns.queue(connection.slot);
        }
    }

    /// Moves the sockets of a connection to the watch of streams, or back, if it became one or ceased to be one.
    fn move_sockets(&mut self, connection: &Connection, env: &Env) -> Step {
        self.apart = !self.apart;
        env.watch_apart(self.apart, connection.slot, Side::Client, &connection.client)?;
        env.watch_apart(self.apart, connection.slot, Side::Backend, &self.backend)
    }

    /// Moves the bytes of one direction, and passes on its end.
    fn carry(&mut self, from: Side, connection: &mut Connection, env: &mut Env, quantum: u32) -> Step<Flow> {
        let direction = &mut connection.directions[from as usize];
        if !direction.can_move() {
            return Ok(Flow::Wait);
        }
        let (source, destination) = match from {
            Side::Client => (connection.client.as_fd(), self.backend.as_fd()),
            Side::Backend => (self.backend.as_fd(), connection.client.as_fd()),
        };
        let before = direction.moved;
        let mirror = connection.mirror.filter(|_| from == Side::Client);
        let tap = mirror.and_then(|place| env.mirrors.tap(place));
        let pumped = match (&mut connection.ciphers, tap) {
            (None, None) => Ok(pump(direction, source, destination, &mut env.buffers, quantum, &mut ())),
            (None, Some(tap)) => Ok(pump(direction, source, destination, &mut env.buffers, quantum, tap)),
            (Some(ciphers), tap) => {
                if !std::mem::replace(&mut ciphers.warm, true) {
                    env.warm.note(connection.slot, env.now);
                }
                let sockets = (source, destination);
                pump_ciphered(from, direction, sockets, ciphers, &mut env.buffers, quantum, tap)
            }
        };
        if let Some(place) = mirror {
            env.mirrors.gather(place, env.now);
            env.mirrors.settle(place);
        }
        let moved = direction.moved - before;
        if moved > 0 {
            self.moved_at = env.now;
            self.choice.to.counters.bytes[from as usize].add(moved);
            self.endpoint.bytes[from as usize].add(moved);
        }
        let reset_by = |side, errno: Errno| End::errno(Ending::reset_by(side), Some(errno));
        let pumped = match pumped {
            Ok(pumped) => pumped,
            Err(broken) => return Err(broken_end(broken, from, connection)),
        };
        match pumped {
            Pumped::Blocked => Ok(Flow::Wait),
            Pumped::More => Ok(Flow::More),
            Pumped::Drained => Ok(Flow::Rest),
            Pumped::Failed(Fault::Source(errno)) => Err(reset_by(from, errno)),
            Pumped::Failed(Fault::Destination(errno)) => Err(reset_by(from.other(), errno)),
            Pumped::Finished => {
                if let Some(place) = mirror {
                    env.mirrors.finish(place, &mut env.buffers);
                }
                let first = *self.first_end.get_or_insert_with(|| {
                    self.moved_at = env.now;
                    from
                });
                if connection.directions[from.other() as usize].is_finished() {
                    return Err(End::new(Ending::closed_by(first), ended_bare(connection)));
                }
                match shutdown(destination, Shutdown::Write) {
                    Ok(()) => {
                        self.watch_time(connection, env);
                        Ok(Flow::Wait)
                    }
                    Err(errno) => Err(reset_by(from.other(), errno)),
                }
            }
        }
    }

    /// Returns the time at which it is ended, unless bytes move before; with the ending and the reason. `None`: no
    /// limit.
    pub(super) fn due(&self, connection: &Connection, env: &Env) -> Option<(Micros, Ending, &'static str)> {
        let config = &connection.listener.config;
        let idle = config
            .idle_timeout
            .map(|idle| (self.moved_at + idle, Ending::IdleTimeout, "nothing moved in either direction"));
        let old = config.max_age.map(|age| {
            (connection.opened + age, Ending::MaxAge, "it is as old as the listener lets connections become")
        });
        let removed = self.close_at.map(|at| {
            (at, Ending::DrainedByRoute, "its backend was removed from the route, and the grace is over")
        });
        let half = env.shared.half_closed_timeout.filter(|_| self.first_end.is_some()).map(|half| {
            (
                self.moved_at + half,
                Ending::IdleTimeout,
                "one end has finished, and nothing came from the other",
            )
        });
        [idle, old, removed, half].into_iter().flatten().min_by_key(|(due, ..)| *due)
    }

    /// Records whether the weights that decided are no longer those of its route.
    pub(super) fn mark_outdated(&mut self, outdated: bool) {
        let counted = &self.choice.to.counters.outdated;
        match (std::mem::replace(&mut self.outdated, outdated), outdated) {
            (false, true) => counted.add(1),
            (true, false) => counted.subtract(1),
            (true, true) | (false, false) => {}
        }
    }

    #[cold]
    fn count_reset(&self, connection: &Connection, env: &Env, ending: Ending) {
        let counters = &self.choice.to.counters;
        counters.resets.add(1);
        self.endpoint.resets.add(1);
        let sent_to_client = connection.directions[Side::Backend as usize].moved;
        if ending.is_early_reset(sent_to_client, env.now.since(connection.opened)) {
            counters.resets_early.add(1);
        }
    }

    /// Counts the result of the connection, and ends it.
    pub(super) fn close(mut self, connection: &Connection, env: &Env, end: End) -> Closing {
        self.mark_outdated(false);
        let counters = &self.choice.to.counters;
        counters.durations.observe_life(env.now.since(connection.opened));
        counters.active.subtract(1);
        self.endpoint.active.subtract(1);
        if end.ending.is_cut() {
            counters.cut.add(1);
        }
        if end.ending.is_reset() {
            self.count_reset(connection, env, end.ending);
        }
        let (cell, endpoint) = (self.choice.cluster.cell(), self.choice.forward.endpoint.endpoint);
        let sent_something = connection.directions[Side::Backend as usize].moved > 0;
        match end.ending {
            Ending::BackendReset if !sent_something => cell.was_reset(endpoint),
            // a TLS 1.3 server rejects a client after the client has considered the handshake done
            Ending::TlsBroken if !sent_something && failed_with(connection, Side::Backend) => {
                cell.was_reset(endpoint);
            }
            Ending::ClientClosed | Ending::BackendClosed => cell.went_well(endpoint),
            _ if sent_something => cell.went_well(endpoint),
            _ => {}
        }
        Closing::chosen(self.choice, Some(self.backend), Some(self.connect_time), end)
    }
}

/// Returns the end of a connection whose TLS cannot go on.
#[cold]
fn broken_end(broken: Broken, from: Side, connection: &mut Connection) -> End {
    let words = |side| match side {
        Side::Client => "client",
        Side::Backend => "backend",
    };
    match broken {
        Broken::Socket(Fault::Source(errno)) => End::errno(Ending::reset_by(from), Some(errno)),
        Broken::Socket(Fault::Destination(errno)) => End::errno(Ending::reset_by(from.other()), Some(errno)),
        Broken::Truncated => {
            End::new(Ending::TlsTruncated, format!("the {} ended inside a TLS record", words(from)))
        }
        Broken::Tls(side, failure) => {
            if let Some(ciphers) = &mut connection.ciphers {
                ciphers.failed = Some((side, failure.word()));
            }
            End::new(Ending::TlsBroken, format!("{}: {failure}", words(side)))
        }
    }
}

/// Returns `true` if TLS with this side failed.
fn failed_with(connection: &Connection, side: Side) -> bool {
    let failed = connection.ciphers.as_ref().and_then(|ciphers| ciphers.failed);
    failed.is_some_and(|(whose, _)| whose == side)
}

/// Returns which side ended its connection without a TLS close_notify, in words; empty: neither.
fn ended_bare(connection: &Connection) -> &'static str {
    match connection.ciphers.as_ref().and_then(|ciphers| ciphers.ended_bare) {
        None => "",
        Some(Side::Client) => "the client ended without close_notify",
        Some(Side::Backend) => "the backend ended without close_notify",
    }
}
