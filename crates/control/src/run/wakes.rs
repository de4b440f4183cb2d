//! Time, and what wakes the loop.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long to sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// Something that wakes the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<L> {
    /// There may be something new: in the source, or from proxies.
    Look,
    /// Somebody asks to read all of the source again, whether or not it looks changed.
    ReadAgain,
    /// It is time to leave, for this reason.
    Leave(L),
}

/// Time, and what wakes the loop.
pub trait Wakes {
    /// Why to leave.
    type Leave;

    /// What time it is.
    fn now(&self) -> Instant;

    /// Waits for an event, at most until then; `None`: as long as it takes.
    fn next(&mut self, until: Option<Instant>) -> Event<Self::Leave>;
}

/// Events by a channel, and the time of the machine.
#[derive(Debug)]
pub struct Inbox<L> {
    events: Receiver<Event<L>>,
}

impl<L> Inbox<L> {
    /// What comes by a channel. When nobody can send any more it is time to leave.
    pub fn new(events: Receiver<Event<L>>) -> Self {
        Self { events }
    }

    /// The next event that is there already.
    pub fn try_next(&self) -> Option<Event<L>> {
        self.events.try_recv().ok()
    }
}

impl<L: Default> Wakes for Inbox<L> {
    type Leave = L;

    fn now(&self) -> Instant {
        Instant::now()
    }

    /// A burst is one event.
    fn next(&mut self, until: Option<Instant>) -> Event<L> {
        let patience = until.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
        let mut event = match self.events.recv_timeout(patience) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::Look,
            Err(RecvTimeoutError::Disconnected) => Event::Leave(L::default()),
        };
        while let Event::Look = event
            && let Some(next) = self.try_next()
        {
            event = next;
        }
        event
    }
}
