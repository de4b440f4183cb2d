//! Mirrors: second connections, which get a copy of the bytes that clients send.
//!
//! They exist beside the connections that they copy, in slots of their own, and never delay them: a mirror that
//! cannot be dialled, falls behind or fails is dropped and counted. Without mirrors a worker only checks one empty
//! list here.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use l4::ending::MirrorEnd;
use rustix::event::epoll::EventFlags;
use tls::Session;

use super::cluster::{Booking, LocalCluster};
use super::deadlines::{Deadlines, Micros, first};
use super::end::reset;
use crate::counters::ListenerCounters;
use crate::log::Mirrored;
use crate::relay::{Buffers, Lost, Tap};

/// Time in which a mirror may take the remaining bytes after the end of the connection that it copies.
const LINGER: Duration = Duration::from_secs(5);

/// The time for which small pieces are gathered, of all mirrors of a worker together.
const GATHER: Duration = Duration::from_millis(20);

/// The mirrors of a worker.
#[derive(Default)]
pub(super) struct Mirrors {
    places: Vec<Option<Mirror>>,
    free: Vec<u32>,
    /// Places freed in this turn of the loop, whose events may still name them.
    resting: Vec<u32>,
    deadlines: Deadlines,
    /// Places with a step of a TLS handshake to do.
    lane: VecDeque<u32>,
    /// Those that gather small pieces.
    gathering: Vec<u32>,
    /// The time at which they send them; `None`: none gathers.
    gathered_at: Option<Micros>,
    living: usize,
}

/// Mirror of a connection.
struct Mirror {
    line: Line,
    counters: Arc<ListenerCounters>,
    /// Number of bytes that it was given.
    bytes: u64,
    /// Deadline; `None`: there is none.
    due: Option<Micros>,
    /// `true`: the connection that it copies has ended.
    is_alone: bool,
}

/// State of a mirror's connection.
enum Line {
    Up(Box<ActiveMirror>),
    Ended(MirrorEnd),
}

/// Mirror that is dialled, or connected.
pub(super) struct ActiveMirror {
    tap: Tap,
    phase: Phase,
    cluster: Rc<LocalCluster>,
    endpoint: usize,
    booking: Booking,
    /// It is among those that gather.
    gathers: bool,
    /// It has ended its own direction.
    has_ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// `queued`: the next step waits in the lane.
    Shaking {
        queued: bool,
    },
    Open,
}

impl Mirrors {
    /// Adds a mirror that is dialled until `due`, or the reason why it is not.
    pub(super) fn add(
        &mut self,
        dialled: Result<(ActiveMirror, Micros), MirrorEnd>,
        counters: Arc<ListenerCounters>,
    ) -> u32 {
        let (line, due) = match dialled {
            Ok((up, due)) => {
                counters.mirrors.active.add(1);
                (Line::Up(Box::new(up)), Some(due))
            }
            Err(end) => {
                counters.mirrors.ended[end as usize].add(1);
                (Line::Ended(end), None)
            }
        };
        let place = self.insert(Mirror { line, counters, bytes: 0, due, is_alone: false });
        if let Some(due) = due {
            self.deadlines.look_at(place, due);
        }
        place
    }

    /// Returns the tap of a mirror; `None`: the mirror has ended.
    pub(super) fn tap(&mut self, place: u32) -> Option<&mut Tap> {
        self.up(place).map(|up| &mut up.tap)
    }

    /// Handles an event of a mirror's socket.
    pub(super) fn on_event(&mut self, place: u32, flags: EventFlags, buffers: &mut Buffers) {
        let Some(up) = self.up(place) else { return };
        if flags.contains(EventFlags::OUT) {
            up.tap.note_writable();
        }
        match up.phase {
            Phase::Connecting if flags.intersects(EventFlags::ERR | EventFlags::HUP) => {
                return self.end(place, MirrorEnd::Refused);
            }
            Phase::Connecting if !flags.contains(EventFlags::OUT) => return,
            Phase::Connecting => {
                if up.connected(buffers).is_err() {
                    return self.end(place, MirrorEnd::Tls);
                }
                if up.phase == Phase::Open
                    && let Some(Some(mirror)) = self.places.get_mut(place as usize)
                    && !mirror.is_alone
                {
                    mirror.due = None;
                }
                self.queue(place);
            }
            Phase::Shaking { .. } => self.queue(place),
            Phase::Open => {
                if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
                    up.has_ended |= up.tap.discard(&mut buffers.shared);
                }
                up.tap.flush(&mut buffers.pipes);
            }
        }
        self.settle(place);
    }

    fn queue(&mut self, place: u32) {
        if let Some(ActiveMirror { phase: Phase::Shaking { queued }, .. }) = self.up(place)
            && !std::mem::replace(queued, true)
        {
            self.lane.push_back(place);
        }
    }

    /// Returns `true` if a mirror has a step of a handshake to do.
    pub(super) fn has_steps(&self) -> bool {
        !self.lane.is_empty()
    }

    /// Does a step of the handshake that has waited longest.
    pub(super) fn shake_one(&mut self, buffers: &mut Buffers) {
        let Some(place) = self.lane.pop_front() else { return };
        let Some(up) = self.up(place).filter(|up| matches!(up.phase, Phase::Shaking { .. })) else { return };
        up.phase = match up.tap.shake(&mut buffers.shared, &mut buffers.pipes) {
            true => Phase::Open,
            false => Phase::Shaking { queued: false },
        };
        let is_open = up.phase == Phase::Open;
        if let Some(Some(mirror)) = self.places.get_mut(place as usize)
            && is_open
            && !mirror.is_alone
        {
            mirror.due = None;
        }
        self.settle(place);
    }

    /// Passes the end of its client's bytes on to a mirror.
    pub(super) fn finish(&mut self, place: u32, buffers: &mut Buffers) {
        if let Some(up) = self.up(place) {
            up.tap.end(&mut buffers.pipes);
        }
        self.settle(place);
    }

    /// Releases a mirror whose connection has ended: it may take the rest if that ended in order, and is dropped
    /// otherwise.
    pub(super) fn release(
        &mut self,
        place: u32,
        in_order: bool,
        now: Micros,
        buffers: &mut Buffers,
    ) -> Mirrored {
        if in_order {
            self.finish(place, buffers);
        } else {
            // it gets what the backend got
            if let Some(up) = self.up(place) {
                up.tap.push(&mut buffers.pipes);
            }
            self.end(place, MirrorEnd::Cut);
        }
        let Some(Some(mirror)) = self.places.get_mut(place as usize) else {
            return Mirrored { bytes: 0, ended: None };
        };
        mirror.is_alone = true;
        let bytes = mirror.bytes;
        match mirror.line {
            Line::Ended(end) => {
                self.free(place);
                Mirrored { bytes, ended: Some(end) }
            }
            Line::Up(_) => {
                mirror.due = Some(now + LINGER);
                self.deadlines.look_at(place, now + LINGER);
                Mirrored { bytes, ended: None }
            }
        }
    }

    /// Returns the first deadline of a mirror; `None`: there is none.
    pub(super) fn next_due(&self) -> Option<Micros> {
        // asked for before each wait, mostly by workers without mirrors
        if self.living == 0 {
            return None;
        }
        first([self.deadlines.next(), self.gathered_at])
    }

    /// Ends those that have taken too long, and sends what was gathered.
    pub(super) fn on_time(&mut self, now: Micros, buffers: &mut Buffers) {
        if self.gathered_at.is_some_and(|due| due <= now) {
            self.gathered_at = None;
            self.push_all(buffers);
        }
        while let Some(place) = self.deadlines.pop_due(now) {
            let Some(Some(mirror)) = self.places.get(place as usize) else { continue };
            match (mirror.due, mirror.is_alone, &mirror.line) {
                (Some(due), ..) if due > now => self.deadlines.look_at(place, due),
                (Some(_), true, Line::Up(up)) if up.tap.is_finished() => self.end(place, MirrorEnd::Finished),
                (Some(_), true, _) => self.end(place, MirrorEnd::Cut),
                (Some(_), false, _) => self.end(place, MirrorEnd::Timeout),
                (None, ..) => {}
            }
        }
    }

    fn push_all(&mut self, buffers: &mut Buffers) {
        for place in std::mem::take(&mut self.gathering) {
            if let Some(up) = self.up(place) {
                up.gathers = false;
                up.tap.push(&mut buffers.pipes);
            }
            self.settle(place);
        }
    }

    /// Puts a mirror among those that send together what they gathered, if it gathers.
    pub(super) fn gather(&mut self, place: u32, now: Micros) {
        let Some(up) = self.up(place) else { return };
        if up.tap.gathers() && !std::mem::replace(&mut up.gathers, true) {
            self.gathering.push(place);
            self.gathered_at.get_or_insert(now + GATHER);
        }
    }

    /// Ends a turn of the loop.
    pub(super) fn reclaim(&mut self) {
        self.free.append(&mut self.resting);
    }

    /// Returns `true` if no mirror lives.
    pub(super) fn is_empty(&self) -> bool {
        self.living == 0
    }

    /// Counts the bytes that a mirror was given, and ends it if it failed or has everything.
    pub(super) fn settle(&mut self, place: u32) {
        let Some(Some(mirror)) = self.places.get_mut(place as usize) else { return };
        let Line::Up(up) = &mut mirror.line else { return };
        let more = up.tap.taken - mirror.bytes;
        if more > 0 {
            mirror.counters.mirrors.bytes.add(more);
            mirror.bytes = up.tap.taken;
        }
        let (lost, is_over) = (up.tap.take_lost(), up.tap.is_finished() && up.has_ended);
        match lost {
            Some(Lost::Slow) => self.end(place, MirrorEnd::Slow),
            Some(Lost::Tls) => self.end(place, MirrorEnd::Tls),
            Some(Lost::Socket) => self.end(place, MirrorEnd::Reset),
            None if is_over => self.end(place, MirrorEnd::Finished),
            None => {}
        }
    }

    /// Ends a mirror.
    pub(super) fn end(&mut self, place: u32, end: MirrorEnd) {
        let Some(Some(mirror)) = self.places.get_mut(place as usize) else { return };
        let Line::Up(up) = &mut mirror.line else { return };
        if end != MirrorEnd::Finished {
            // it must not take a part for the whole
            reset(up.tap.socket());
        }
        mirror.line = Line::Ended(end);
        mirror.due = None;
        mirror.counters.mirrors.active.subtract(1);
        mirror.counters.mirrors.ended[end as usize].add(1);
        self.living -= 1;
        if mirror.is_alone {
            self.free(place);
        }
    }

    fn up(&mut self, place: u32) -> Option<&mut ActiveMirror> {
        match &mut self.places.get_mut(place as usize)?.as_mut()?.line {
            Line::Up(up) => Some(up),
            Line::Ended(_) => None,
        }
    }

    fn insert(&mut self, mirror: Mirror) -> u32 {
        self.living += usize::from(matches!(mirror.line, Line::Up(_)));
        match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some(mirror);
                place
            }
            None => {
                self.places.push(Some(mirror));
                (self.places.len() - 1) as u32
            }
        }
    }

    fn free(&mut self, place: u32) {
        self.places[place as usize] = None;
        self.resting.push(place);
    }
}

impl ActiveMirror {
    /// Creates a mirror whose socket connects.
    pub(super) fn dialled(tap: Tap, cluster: Rc<LocalCluster>, endpoint: usize, booking: Booking) -> Self {
        Self { tap, phase: Phase::Connecting, cluster, endpoint, booking, gathers: false, has_ended: false }
    }

    /// Proceeds once the socket is connected.
    fn connected(&mut self, buffers: &mut Buffers) -> Result<(), MirrorEnd> {
        self.booking.established();
        self.phase = match self.cluster.tls() {
            None => {
                self.tap.open(&mut buffers.pipes);
                Phase::Open
            }
            Some(Err(_)) => return Err(MirrorEnd::Tls),
            Some(Ok(context)) => {
                let config = self.cluster.cell().cluster();
                let zone = config.endpoints.get(self.endpoint).map_or("", |endpoint| &endpoint.zone);
                let name = config.tls.as_ref().and_then(|tls| tls.server_name_for(zone));
                self.tap.shake_with(Session::connect(context, name).map_err(|_| MirrorEnd::Tls)?);
                Phase::Shaking { queued: false }
            }
        };
        Ok(())
    }
}
