//! Last stage of a connection: sockets, counters, log line.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use l4::ending::Ending;

use super::choice::{Choice, Named, Refused};
use super::connection::Connection;
use super::end::{End, reset};
use super::env::Env;
use super::listener::{LocalBackend, LocalListener};
use crate::log::Mirrored;
use crate::log::Record;

/// Connection that ends.
pub(super) struct Closing {
    end: End,
    /// Socket to the backend; `None`: there is none, or it was closed with its attempt.
    backend: Option<OwnedFd>,
    outcome: Outcome,
}

/// Decision before the end.
enum Outcome {
    /// None.
    Undecided,
    /// Refused.
    Refused(Refused),
    /// Chosen backend and endpoint, and the connect time, if it was connected.
    Chosen(Box<Choice>, Option<Duration>),
}

impl Closing {
    /// A connection without a decision.
    pub(super) fn undecided(end: End) -> Self {
        Self { end, backend: None, outcome: Outcome::Undecided }
    }

    /// A connection that is refused.
    pub(super) fn refused(refused: Refused) -> Self {
        let end = End::new(Ending::from(refused.refuse.reason), refused.refuse.why.to_string());
        Self { end, backend: None, outcome: Outcome::Refused(refused) }
    }

    /// A connection with a choice, if it was connected after `connect_time`.
    pub(super) fn chosen(
        choice: Box<Choice>,
        backend: Option<OwnedFd>,
        connect_time: Option<Duration>,
        end: End,
    ) -> Self {
        Self { end, backend, outcome: Outcome::Chosen(choice, connect_time) }
    }

    /// Counts and logs the connection, whose sockets are closed after that. Unless both ends ended in order they
    /// are reset, so that neither takes a part for the whole.
    pub(super) fn close(self, connection: &mut Connection, env: &mut Env) {
        let Self { end: End { ending, why }, backend, outcome } = self;
        if !ending.is_orderly() {
            reset(&connection.client);
            backend.iter().for_each(reset);
        }
        let mirrored = connection
            .mirror
            .take()
            .map(|place| env.mirrors.release(place, ending.is_orderly(), env.now, &mut env.buffers));
        for direction in &mut connection.directions {
            env.buffers.reclaim(direction);
        }
        let local = &*connection.listener;
        let duration = env.now.since(connection.opened);
        local.counters.active.subtract(1);
        local.counters.ended[ending as usize].add(1);
        local.counters.duration_milliseconds.add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        if let Some(backend) = outcome.counted_for(local) {
            backend.counters.ended[ending as usize].add(1);
        }
        if env.log.wants(&local.outputs) {
            env.log.write(&outcome.record(connection, duration, mirrored, ending, &why), &local.outputs);
        }
    }
}

impl Outcome {
    /// Backend that the connection is counted for; `None`: none was chosen.
    fn counted_for<'a>(&'a self, local: &'a LocalListener) -> Option<&'a Rc<LocalBackend>> {
        match self {
            Self::Undecided => None,
            Self::Refused(refused) => local.backend(refused.refuse.route?, refused.refuse.backend?),
            Self::Chosen(choice, _) => Some(&choice.to),
        }
    }

    fn record<'a>(
        &self,
        of: &'a Connection,
        duration: Duration,
        mirrored: Option<Mirrored>,
        ending: Ending,
        why: &'a str,
    ) -> Record<'a> {
        let (named, choice, connect_time) = match self {
            Self::Undecided => (Named::default(), None, None),
            Self::Refused(refused) => (refused.named(&of.listener), None, None),
            Self::Chosen(choice, connect_time) => {
                (choice.named(&of.listener), Some(&**choice), *connect_time)
            }
        };
        let now = Timestamp::now();
        let started = SignedDuration::try_from(duration).ok().and_then(|age| now.checked_sub(age).ok());
        Record {
            started: started.unwrap_or(now),
            id: of.id,
            listener: &of.listener.config,
            generation: of.generation,
            client: of.peer,
            original_destination: of.destination.as_deref().copied(),
            server_name: of.server_name.as_deref(),
            ciphers: of.ciphers.as_deref(),
            mirror: of.listener.config.mirror.as_ref().zip(mirrored),
            route: named.route,
            first_backend: named.first_backend,
            backend: named.backend,
            endpoint: choice.map(Choice::address),
            draw: named.draw,
            attempts: choice.map_or(0, |choice| choice.attempts),
            bytes: [of.directions[0].moved, of.directions[1].moved],
            connect_time,
            duration,
            ending,
            why,
            direct: None,
        }
    }
}
