//! Dispatch of an event or a deadline to the step of a stage, and from there to the next stage.

use l4::ending::Side;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use super::Worker;
use super::connection::Connection;
use super::dialling::Dialling;
use super::end::End;
use super::env::Env;
use super::shaking::Shaking;
use super::stage::Stage;
use super::token::Token;
use super::warm::SILENCE;

impl Worker {
    /// Handles an event of a connection's socket.
    pub(super) fn on_event(&mut self, slot: u32, side: Side, flags: EventFlags) {
        let Some((connection, stage)) = self.slots.get_mut(slot) else { return };
        connection.note(side, flags);
        // by far the most events: the connection stays where it is
        if let Stage::Relaying(relaying) = stage {
            if let Err(end) = relaying.on_event(connection, &mut self.env, side, flags) {
                self.end(slot, end);
            }
            return;
        }
        self.step(slot, |connection, stage, env| match stage {
            Stage::Opening(opening) => opening.on_event(connection, env).into(),
            Stage::Dialling(dialling) => dialling.on_event(connection, env, side, flags).into(),
            Stage::Shaking(shaking) => shaking.on_event(connection, env, flags).into(),
            Stage::Relaying(_) | Stage::Closing(_) => stage,
        });
    }

    /// Does a step of the TLS handshake that has waited longest; if there is none, of a mirror's.
    pub(super) fn shake_one(&mut self) {
        let Some(slot) = self.env.lane.next() else {
            return self.env.mirrors.shake_one(&mut self.env.buffers);
        };
        self.step(slot, |connection, stage, env| match stage {
            Stage::Shaking(shaking) => shaking.take_turn(connection, env).into(),
            Stage::Dialling(dialling) => dialling.take_turn(connection, env).into(),
            // it ended, or another has its slot
            Stage::Opening(_) | Stage::Relaying(_) | Stage::Closing(_) => stage,
        });
    }

    /// Checks a connection that may have timed out.
    pub(super) fn on_deadline(&mut self, slot: u32) {
        let Some((connection, stage)) = self.slots.get_mut(slot) else { return };
        let Some(due) = stage.due(connection, &self.env) else { return };
        if due > self.env.now {
            return self.env.deadlines.look_at(slot, due);
        }
        self.step(slot, |connection, stage, env| match stage {
            Stage::Opening(opening) => opening.overdue(connection).into(),
            Stage::Dialling(dialling) => dialling.fail(Errno::TIMEDOUT, connection, env).into(),
            Stage::Relaying(relaying) => match relaying.due(connection, env) {
                Some((_, ending, why)) => {
                    Stage::Closing(relaying.close(connection, env, End::new(ending, why)))
                }
                None => Stage::Relaying(relaying),
            },
            Stage::Shaking(Shaking::Hands { .. }) => Stage::Closing(Shaking::overdue()),
            Stage::Shaking(Shaking::Settled) | Stage::Closing(_) => stage,
        });
    }

    /// Ends a connection.
    pub(super) fn end(&mut self, slot: u32, end: End) {
        self.step(slot, |connection, stage, env| Stage::Closing(stage.close(connection, env, end)));
    }

    /// Does a step of a connection, and passes through the stages that wait for nothing.
    pub(super) fn step(&mut self, slot: u32, step: impl FnOnce(&mut Connection, Stage, &mut Env) -> Stage) {
        let Some((connection, stage)) = self.slots.get_mut(slot) else { return };
        // meanwhile it is in the stage without state
        let before = std::mem::replace(stage, Stage::Shaking(Shaking::Settled));
        let mut next = step(connection, before, &mut self.env);
        if let Stage::Shaking(Shaking::Settled) = next {
            next = Dialling::begin(connection, &mut self.env).into();
        }
        match next {
            Stage::Closing(closing) => {
                closing.close(connection, &mut self.env);
                self.slots.remove(slot);
            }
            Stage::Opening(_) | Stage::Shaking(_) | Stage::Dialling(_) | Stage::Relaying(_) => *stage = next,
        }
    }

    /// Frees the memory for moving bytes of the TLS sessions of silent connections.
    pub(super) fn cool(&mut self) {
        let now = self.env.now;
        let mut warm = std::mem::take(&mut self.env.warm);
        warm.look(now, |slot| {
            // a connection that ended has freed it
            let Some((connection, Stage::Relaying(relaying))) = self.slots.get_mut(*slot) else {
                return false;
            };
            let Some(ciphers) = &mut connection.ciphers else { return false };
            if now.since(relaying.moved_at) >= SILENCE {
                ciphers.rest();
            }
            ciphers.warm
        });
        self.env.warm = warm;
    }

    /// Gives connections that move bulk their turns.
    pub(super) fn carry_bulk(&mut self) {
        let (turns, quantum) = self.env.turns.begin_round();
        for _ in 0..turns {
            let Some(slot) = self.env.turns.next() else { return };
            if let Some((connection, Stage::Relaying(relaying))) = self.slots.get_mut(slot)
                && let Err(end) = relaying.take_turn(connection, &mut self.env, quantum)
            {
                self.end(slot, end);
            }
        }
    }

    /// Queues every stream with an event, and those that rested since the last check.
    pub(super) fn look_at_streams(&mut self) {
        let mut events = std::mem::take(&mut self.stream_events);
        self.env.streams.look(&mut events);
        for event in events.drain(..) {
            if let Token::Connection(slot, side) = event.data.into() {
                self.on_event(slot, side, event.flags);
            }
        }
        self.stream_events = events;
        self.env.turns.wake_resting();
        let found = !self.env.turns.is_empty();
        // cannot fail for an instance that was added; if it did, streams would sleep until the next deadline
        if let Err(errno) = self.env.streams.looked(found, &self.env.epoll, self.env.now) {
            tracing::error!(worker = self.env.worker, %errno, "the event loop cannot wait for streams");
        }
    }
}
