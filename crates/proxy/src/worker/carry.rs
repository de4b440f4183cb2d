//! Events of connections, and turns of those that move bulk.
//!
//! Small messages are served straight from their events. What moves bulk waits in a queue and gets a quantum at a
//! time; the quantum grows while no small message shows up, and falls back to the least when one does.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use l4::ending::{Ending, Side};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::getsockname;
use rustix::net::sockopt::socket_error;

use super::Worker;
use super::connection::{Connection, Flow, Stage};
use super::header::announce;
use super::open::connect_timeout;

/// The largest quantum, in reads: at the size of a pipe each.
const LARGEST_QUANTUM: u32 = 16;
/// How many reads a direction may do when it moves small messages.
const SMALL_QUANTUM: u32 = 4;

impl Worker {
    pub(super) fn on_event(&mut self, slot: u32, side: Side, flags: EventFlags) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        note(connection, side, flags);
        match (connection.stage, side) {
            (Stage::Header, _) => self.on_header(slot),
            (Stage::Hello, _) => self.on_hello(slot),
            (Stage::Connecting, Side::Backend) => self.on_connect(slot, flags),
            (Stage::Connecting, Side::Client) => {
                if flags.contains(EventFlags::ERR) {
                    let errno = pending_error(connection, side);
                    self.finish(slot, Ending::ClientReset, &words(errno));
                }
            }
            (Stage::Relaying, _) => self.on_relay(slot, side, flags),
        }
    }

    fn on_connect(&mut self, slot: u32, flags: EventFlags) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            let errno = pending_error(connection, Side::Backend).unwrap_or(Errno::CONNREFUSED);
            return self.dial_next(slot, errno);
        }
        if !flags.contains(EventFlags::OUT) {
            return;
        }
        if connected_to_itself(connection, &self.shared.ephemeral_ports) {
            return self.dial_next(slot, Errno::CONNREFUSED);
        }
        if let Err(errno) = announce(connection) {
            return self.dial_next(slot, errno);
        }
        let took = self.now.since(connection.since);
        connection.connect_time = Some(took);
        connection.stage = Stage::Relaying;
        connection.since = self.now;
        let live = &connection.live;
        live.counters.connect_times.observe_connect(took);
        if let Some(booking) = &mut connection.booking {
            booking.established();
        }
        if let Some(forward) = connection.forward {
            if let Some(cluster) = live.cluster_of(forward.route, forward.backend) {
                cluster.cell().connected(forward.endpoint.endpoint);
            }
            if let Some(backend) = live.backend(forward.route, forward.backend) {
                backend.counters.opened.add(1);
                backend.counters.active.add(1);
            }
            if let Some(endpoint) = live.endpoint(&forward) {
                endpoint.opened.add(1);
                endpoint.active.add(1);
                endpoint.connect_times.observe_connect(took);
                connection.endpoint = Some(endpoint);
            }
        }
        if let Some((due, ..)) = connection.due() {
            self.deadlines.look_at(slot, due);
        }
        self.serve(slot, &[Side::Client, Side::Backend], SMALL_QUANTUM);
    }

    fn on_relay(&mut self, slot: u32, side: Side, flags: EventFlags) {
        if flags.contains(EventFlags::ERR) {
            return self.on_reset(slot, side);
        }
        let Some(connection) = self.slots.get_mut(slot) else { return };
        if connection.is_bulk() {
            return self.queue(slot);
        }
        self.small_seen = true;
        let readable = flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP);
        let writable = flags.contains(EventFlags::OUT);
        match (readable, writable) {
            (true, true) => self.serve(slot, &[side, side.other()], SMALL_QUANTUM),
            (true, false) => self.serve(slot, &[side], SMALL_QUANTUM),
            (false, true) => self.serve(slot, &[side.other()], SMALL_QUANTUM),
            (false, false) => {}
        }
    }

    /// One end reset the connection: what it sent before that is passed on as far as it goes, then the reset.
    fn on_reset(&mut self, slot: u32, side: Side) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        let flow = loop {
            match connection.carry(side, self.now, &mut self.kit, LARGEST_QUANTUM) {
                // what arrived before a reset is finite
                Flow::More | Flow::Rest => {}
                flow @ (Flow::Wait | Flow::End(..)) => break flow,
            }
        };
        if let Flow::End(ending, errno) = flow {
            return self.finish(slot, ending, &words(errno));
        }
        let errno = pending_error(connection, side);
        self.finish(slot, Ending::reset_by(side), &words(errno));
    }

    /// Moves bytes in the given directions, and does what follows from it.
    fn serve(&mut self, slot: u32, sides: &[Side], quantum: u32) {
        let (mut more, mut rest) = (false, false);
        for side in sides {
            let Some(connection) = self.slots.get_mut(slot) else { return };
            match connection.carry(*side, self.now, &mut self.kit, quantum) {
                Flow::Wait => {}
                Flow::More => more = true,
                Flow::Rest => rest = true,
                Flow::End(ending, errno) => return self.finish(slot, ending, &words(errno)),
            }
        }
        if more {
            self.queue(slot);
        } else if rest {
            self.rest(slot);
        }
        self.settle(slot);
    }

    /// Leaves a stream alone until the next look at streams.
    fn rest(&mut self, slot: u32) {
        if let Some(connection) = self.slots.get_mut(slot)
            && !connection.queued
        {
            connection.queued = true;
            self.resting.push_back(slot);
            self.streams.expect(self.now);
        }
    }

    fn queue(&mut self, slot: u32) {
        if let Some(connection) = self.slots.get_mut(slot)
            && !connection.queued
        {
            connection.queued = true;
            self.bulk.push_back(slot);
        }
    }

    /// Gives those that move bulk their turns.
    pub(super) fn carry_bulk(&mut self) {
        if self.bulk.is_empty() {
            return;
        }
        let small_seen = std::mem::take(&mut self.small_seen);
        self.quantum = if small_seen { 1 } else { (self.quantum * 2).min(LARGEST_QUANTUM) };
        let turns = self.bulk.len().min(self.quantum.div_ceil(4) as usize);
        for _ in 0..turns {
            let Some(slot) = self.bulk.pop_front() else { return };
            if let Some(connection) = self.slots.get_mut(slot)
                && std::mem::take(&mut connection.queued)
            {
                self.serve(slot, &[Side::Client, Side::Backend], self.quantum);
            }
        }
    }

    /// Looks at a connection that may have waited too long for something.
    pub(super) fn on_deadline(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        let patience = |time| connection.since + time;
        let due = match (connection.stage, &connection.forward) {
            (Stage::Header | Stage::Hello, _) => Some(patience(self.shared.hello_timeout)),
            (Stage::Connecting, Some(forward)) => Some(patience(connect_timeout(connection, forward))),
            (Stage::Connecting, None) => None,
            (Stage::Relaying, _) => connection.due().map(|(due, ..)| due),
        };
        let Some(due) = due else { return };
        if due > self.now {
            return self.deadlines.look_at(slot, due);
        }
        match connection.stage {
            Stage::Header => {
                self.finish(slot, Ending::ProxyHeaderTimeout, "the PROXY header did not arrive in time")
            }
            Stage::Hello => {
                self.finish(slot, Ending::HelloTimeout, "the client hello did not arrive in time")
            }
            Stage::Connecting => self.dial_next(slot, Errno::TIMEDOUT),
            Stage::Relaying => {
                if let Some((_, ending, why)) = connection.due() {
                    self.finish(slot, ending, why);
                }
            }
        }
    }
}

/// Learns from an event what the sockets can do now.
fn note(connection: &mut Connection, side: Side, flags: EventFlags) {
    let end = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
    let from = &mut connection.directions[side as usize];
    if flags.intersects(EventFlags::IN | end) {
        from.readable = true;
    }
    if flags.contains(EventFlags::RDHUP) {
        from.last = true;
    }
    if flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR) {
        connection.directions[side.other() as usize].writable = true;
    }
}

fn pending_error(connection: &Connection, side: Side) -> Option<Errno> {
    let error = match (side, &connection.backend) {
        (Side::Client, _) => socket_error(&connection.client),
        (Side::Backend, Some(backend)) => socket_error(backend),
        (Side::Backend, None) => return None,
    };
    error.ok().and_then(Result::err)
}

/// Whether nobody listens at the endpoint, and the kernel happened to dial from the very port that was dialled.
///
/// TCP then connects the socket with itself: the client would get an echo for a backend, and a backend that starts
/// would find its port taken.
fn connected_to_itself(connection: &Connection, ephemeral_ports: &RangeInclusive<u16>) -> bool {
    let (Some(backend), Some(forward)) = (&connection.backend, &connection.forward) else { return false };
    let address = forward.endpoint.address;
    ephemeral_ports.contains(&address.port())
        && getsockname(backend).ok().and_then(|own| SocketAddr::try_from(own).ok()) == Some(address)
}

fn words(errno: Option<Errno>) -> String {
    errno.map(|errno| errno.to_string()).unwrap_or_default()
}
