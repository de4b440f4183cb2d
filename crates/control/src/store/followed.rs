//! A store as the compile loop sees it: all that is in it, each resource in force as it was last good.
//!
//! ```text
//!  Store ──list, watch──▶ Feeder (a task) ──▶ FollowedStore ──settle──▶ candidate ──▶ adopted, or the last good state
//! ```
//!
//! It answers like [`FolderStore`](super::folder::FolderStore), with a resource in the place of a file. A store that
//! cannot be reached is a problem that is told; what is in force stays. So does it when a store has nothing any more and
//! counts from the beginning: it is another one than the one that was read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use model::draft::{self, Document, Options};
use model::{Problem, Problems};

use super::folder::{Candidate, Content, Entry, FileState, Files, Objection, Settled, Sighting, said};
use super::record::Record;
use super::{Change, Listing, Revision, Selection, Store, StoreError, Stored, What};
use crate::guard::task_again;

/// The first pause before a store that was lost is asked again; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A store as the compile loop sees it.
pub struct FollowedStore {
    store: Arc<dyn Store>,
    files: Files,
    inbox: Receiver<News>,
    revision: Revision,
    /// Whether it was read at least once: before that nothing is known, which is not the same as that nothing is there.
    known: bool,
    lost: Option<Problem>,
    /// The revision that was known when a list came that was not believed, because it had forgotten it.
    forgotten: Option<Revision>,
}

/// What brings the changes of a store to its [`FollowedStore`]. A task of its own runs it.
pub struct Feeder {
    store: Arc<dyn Store>,
    outbox: Sender<News>,
}

enum News {
    /// Everything anew.
    All(Listing),
    /// What changed since.
    Changes(Vec<Change>),
    /// The store cannot be read.
    Lost(StoreError),
}

impl FollowedStore {
    /// Follows a store as soon as the feeder runs. Documents are read by `options`.
    pub fn new(store: Arc<dyn Store>, options: Options) -> (Self, Feeder) {
        let (outbox, inbox) = channel();
        let feeder = Feeder { store: Arc::clone(&store), outbox };
        let files = Files::new(Box::new(move |name, bytes| read(name, bytes, &options)));
        let (revision, lost, forgotten) = (Revision::ZERO, None, None);
        (Self { store, files, inbox, revision, known: false, lost, forgotten }, feeder)
    }

    /// Takes in what the feeder brought.
    pub fn refresh(&mut self) {
        while let Ok(news) = self.inbox.try_recv() {
            self.lost = match &news {
                News::Lost(error) => Some(problem(&self.store.describe(), error)),
                News::All(_) | News::Changes(_) => None,
            };
            match news {
                News::All(Listing { revision, items }) if items.is_empty() && revision < self.revision => {
                    self.forgotten = Some(self.revision);
                }
                News::All(Listing { revision, items }) => {
                    self.forgotten = None;
                    let there: BTreeSet<String> = items.iter().map(|item| item.key.to_string()).collect();
                    let gone = self.files.names().filter(|name| !there.contains(&***name));
                    for name in gone.cloned().collect::<Vec<_>>() {
                        self.files.believe(&name, Sighting::Gone);
                    }
                    items.iter().for_each(|item| self.see(item));
                    self.revision = revision;
                    self.known = true;
                }
                News::Changes(changes) => {
                    for Change { revision, key, what } in changes {
                        match what {
                            What::Put(stored) => self.see(&stored),
                            What::Deleted => self.files.believe(&key.to_string(), Sighting::Gone),
                        }
                        self.revision = revision;
                    }
                }
                News::Lost(_) => {}
            }
        }
    }

    fn see(&mut self, stored: &Stored) {
        let sighting = match serde_json::to_vec(&Record::of(stored)) {
            Ok(bytes) => Sighting::Bytes(bytes),
            Err(error) => Sighting::Unreadable(error.to_string()),
        };
        self.files.believe(&stored.key.to_string(), sighting);
    }

    /// Offers what is stored now to `adopt`, and keeps of each resource what was adopted. See [`Files::settle`].
    pub fn settle<V>(&mut self, adopt: impl FnMut(&Candidate) -> Result<V, Vec<Objection>>) -> Settled<V> {
        self.files.settle(adopt)
    }

    /// Whether the store was read at least once, and something came since the last settling.
    pub fn is_unsettled(&self) -> bool {
        self.known && self.files.is_unsettled()
    }

    /// Whether the store could not be read when it was last tried. What is in force stays.
    pub fn is_away(&self) -> bool {
        self.lost.is_some()
    }

    /// The last change that was taken in.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Everything that is wrong or doubtful now, sorted by place.
    pub fn problems(&self) -> Problems {
        let mut problems = self.files.problems();
        problems.extend(self.lost.clone());
        problems.extend(self.forgotten.map(|revision| another(&self.store.describe(), revision)));
        problems.sort();
        problems
    }

    /// The resources, sorted, and what is in force of each.
    pub fn states(&self) -> Vec<(Arc<str>, FileState)> {
        self.files.states()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

impl Feeder {
    /// Brings everything, then each change, until nobody follows any more. Calls `wake` after each delivery.
    pub async fn run(self, wake: impl Fn() + Send) {
        task_again("store-feeder", || self.feed(&wake)).await;
    }

    async fn feed(&self, wake: &impl Fn()) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = self.bring(wake, &mut pause).await else { return };
            if !matches!(error, StoreError::TooOld { .. }) {
                if self.outbox.send(News::Lost(error)).is_err() {
                    return;
                }
                wake();
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }

    /// Returns when nobody follows any more.
    async fn bring(&self, wake: &impl Fn(), pause: &mut Duration) -> Result<(), StoreError> {
        let listing = self.store.list(&Selection::default()).await?;
        let mut watch = self.store.watch(listing.revision).await?;
        let mut news = News::All(listing);
        while self.outbox.send(news).is_ok() {
            wake();
            *pause = FIRST_PAUSE;
            news = News::Changes(watch.next().await?);
        }
        Ok(())
    }
}

/// Reads a stored resource. It was valid when it was put, by the rules of whoever put it; here it may not be.
fn read(name: &str, bytes: &[u8], options: &Options) -> Content {
    let stored = match serde_json::from_slice::<Record>(bytes).map_err(|error| error.to_string()) {
        Ok(record) => record.stored(),
        Err(error) => Err(error),
    };
    let stored = match stored {
        Ok(stored) => stored,
        Err(why) => {
            let problem = said(name, format!("cannot be read: {why}"));
            return Content::of(bytes, Vec::new(), Problems::from_iter([problem]));
        }
    };
    // without the text: a stored document has no lines, and a secret is not shown
    let document = Document::from_value(name, stored.document);
    let parsed = draft::parse(&document, options);
    let entries = parsed.resource.map(|resource| {
        let resource = Arc::new(resource.or_created(stored.created.as_microsecond()));
        Arc::new(Entry { document, resource })
    });
    Content::of(bytes, entries.into_iter().collect(), parsed.problems)
}

fn problem(store: &str, error: &StoreError) -> Problem {
    let help = "what is in force stays; it is tried again";
    Problem { help: Some(help.into()), ..said(store, error.to_string()) }
}

/// The problem of a store that has forgotten everything: it may have been replaced, or restored to nothing.
fn another(store: &str, revision: Revision) -> Problem {
    let message =
        format!("has nothing any more, and does not know revision {revision}, which was read from it");
    let help = "what was read from it stays in force; is it the right store? If it is, start this anew";
    Problem { help: Some(help.into()), ..said(store, message) }
}

#[cfg(test)]
mod tests;
