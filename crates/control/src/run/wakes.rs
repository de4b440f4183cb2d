//! Clock of the loop, and the events that wake it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// Event that wakes the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeEvent<L> {
    /// There may be news: in the source, or from proxies.
    Look,
    /// All of the source is to be read again, whether or not it looks changed.
    ReadAgain,
    /// It is time to leave, for this reason.
    Leave(L),
}

/// Clock of the loop, and source of the events that wake it.
pub trait Wakes {
    /// Reason to leave.
    type Leave;

    /// Returns the current time.
    fn now(&self) -> Instant;

    /// Waits for an event until the given time; `None`: without a limit.
    fn next(&mut self, until: Option<Instant>) -> WakeEvent<Self::Leave>;
}

/// Events from a channel, and the clock of the machine.
#[derive(Debug)]
pub struct Inbox<L> {
    events: Receiver<WakeEvent<L>>,
}

impl<L> Inbox<L> {
    /// Creates an inbox for a channel. When all senders are dropped it is time to leave.
    pub fn new(events: Receiver<WakeEvent<L>>) -> Self {
        Self { events }
    }

    /// Returns the next event if there is one already.
    pub fn try_next(&self) -> Option<WakeEvent<L>> {
        self.events.try_recv().ok()
    }
}

impl<L: Default> Wakes for Inbox<L> {
    type Leave = L;

    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Merges a burst into one event.
    fn next(&mut self, until: Option<Instant>) -> WakeEvent<L> {
        let patience = until.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
        let mut event = match self.events.recv_timeout(patience) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => WakeEvent::Look,
            Err(RecvTimeoutError::Disconnected) => WakeEvent::Leave(L::default()),
        };
        while let WakeEvent::Look = event
            && let Some(next) = self.try_next()
        {
            event = next;
        }
        event
    }
}
