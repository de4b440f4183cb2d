//! Replicas: several control planes on one store tell each other the state of their proxies, so that any of them
//! answers for all.
//!
//! ```text
//!  Standing, Statuses ──▶ notes on the Board of the store ⇢ other control planes
//!                    Others ◀── notes of others ◀──┘
//! ```

mod book;
mod notes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use change::replica::Replica;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::store::{Board, Notes, StoreError};
use book::Book;

/// Interval at which notes are exchanged.
const BEAT: Duration = Duration::from_secs(1);
/// Interval of signs of life without news: several within the 15 s after which a control plane is taken for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);
/// Limit on the time for the farewell.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// State of the other control planes on the store.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// Live control planes, by name.
    pub replicas: Arc<Vec<Replica>>,
    /// Reason why nothing is known of others; `None`: they are known, or there can be none.
    pub unknown: Option<Arc<str>>,
}

/// Publishes news of this control plane, and takes over those of others, until `closing` is cancelled. `own` returns
/// the state here, with a mark of the moment; `None`: nothing has changed since the given mark.
pub async fn exchange<M>(
    board: Arc<dyn Board>,
    own: impl Fn(Option<&M>) -> Option<(M, Replica)>,
    others: watch::Sender<Others>,
    closing: CancellationToken,
) {
    exchange_every(BEAT, board, own, others, closing).await;
}

async fn exchange_every<M>(
    beat: Duration,
    board: Arc<dyn Board>,
    own: impl Fn(Option<&M>) -> Option<(M, Replica)>,
    others: watch::Sender<Others>,
    closing: CancellationToken,
) {
    let mut exchange = Exchange {
        who: crate::identity::fresh_id(),
        board,
        told: BTreeMap::new(),
        mark: None,
        last_sign: None,
        since: Notes::FIRST,
        book: Book::default(),
    };
    loop {
        let outcome = exchange.turn(&own).await;
        let unknown = outcome.err().map(|error| Arc::from(error.to_string()));
        let replicas = exchange.book.living();
        others.send_if_modified(|known| {
            let differs = *known.replicas != replicas || known.unknown != unknown;
            if differs {
                *known = Others { replicas: Arc::new(replicas), unknown };
            }
            differs
        });
        if timeout(beat, closing.cancelled()).await.is_ok() {
            // without it the others learn it a quarter of a minute later
            let _ = timeout(LAST_WORDS, exchange.board.go(&exchange.who)).await;
            return;
        }
    }
}

struct Exchange<M> {
    /// Name of this process on the board.
    who: String,
    board: Arc<dyn Board>,
    /// Published notes, by name.
    told: BTreeMap<String, String>,
    /// Mark of the published notes; `None`: everything is to be published.
    mark: Option<M>,
    /// Time when the board last heard of this process; `None`: never.
    last_sign: Option<Instant>,
    since: i64,
    book: Book,
}

impl<M> Exchange<M> {
    async fn turn(&mut self, own: &impl Fn(Option<&M>) -> Option<(M, Replica)>) -> Result<(), StoreError> {
        let Notes { mark, notes, alive } = self.board.read(&self.who, self.since).await?;
        if mark < self.since {
            // it has lost its content: read everything again
            self.since = Notes::FIRST;
            self.book = Book::default();
            return Ok(());
        }
        self.since = mark;
        let alone = alive.is_empty();
        self.book.take(notes, alive);
        self.tell(own, alone).await
    }

    /// Publishes news. If there are no others, only a sign of life.
    async fn tell(
        &mut self,
        own: &impl Fn(Option<&M>) -> Option<(M, Replica)>,
        alone: bool,
    ) -> Result<(), StoreError> {
        let now = match alone {
            true => Some((None, BTreeMap::new())),
            false => own(self.mark.as_ref()).map(|(mark, replica)| (Some(mark), notes::of(&replica))),
        };
        let news = now.as_ref().map(|(_, now)| self.news(now)).unwrap_or_default();
        let is_due = self.last_sign.is_none_or(|last| last.elapsed() >= SIGN_OF_LIFE);
        let is_known = if news.is_empty() && !is_due {
            true
        } else {
            let was_known = self.board.leave(&self.who, &news).await?;
            self.last_sign.replace(Instant::now()).is_none() || was_known
        };
        match now {
            // a board that has forgotten this process got only the news just now: publish everything again
            _ if !is_known => (self.mark, self.told) = (None, BTreeMap::new()),
            Some(now) => (self.mark, self.told) = now,
            None => {}
        }
        Ok(())
    }

    /// Returns the difference between the current and the published notes.
    fn news(&self, now: &BTreeMap<String, String>) -> Vec<(String, Option<String>)> {
        let names: BTreeSet<&String> = now.keys().chain(self.told.keys()).collect();
        let new = names.into_iter().filter(|name| now.get(*name) != self.told.get(*name));
        new.map(|name| (name.clone(), now.get(name).cloned())).collect()
    }
}

#[cfg(test)]
mod tests;
