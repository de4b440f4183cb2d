//! Store as a source: all that is in it, each resource in force as it was last good.
//!
//! ```text
//!  Store ──list, watch──▶ Feeder (a task) ──▶ StoreSource ──settle──▶ candidate ──▶ adopted, or the last good state
//! ```
//!
//! An unreachable store is reported as a problem; the state in force stays. It also stays if a store has become empty
//! and counts from the beginning: that is another store than the one that was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use change::{Candidate, Entry, Ledger, Options, Revision, problem_of};
use model::draft::{self, Document};
use model::{Problem, Problems, ResourceKey};

use super::{Adopt, DanglingPolicy, OfferOutcome, Source, SourceState};
use crate::guard::{caught, task_again};
use crate::store::{Listing, Selection, Store, StoreChange, StoreChangeKind, StoreError, Stored, Unreadable};

/// First pause before a lost store is asked again; each further pause is twice the previous one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Limit on the pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Store as a source of resources.
pub struct StoreSource {
    store: Arc<dyn Store>,
    options: Options,
    inbox: Receiver<News>,
    revision: Revision,
    /// Epoch of the store that the revision is from.
    epoch: Option<Arc<str>>,
    /// Stored resources, with the problems of each.
    resources: BTreeMap<ResourceKey, Kept>,
    /// Last good content of each resource.
    ledger: Ledger,
    /// Stored resources that cannot be read, by place. Their previous content stays in force.
    unreadable: BTreeMap<Arc<str>, Problem>,
    /// Changes since the last settling; `None`: there are none.
    changed: Option<BTreeSet<Arc<str>>>,
    /// Objections of the last settling.
    objections: Vec<Problem>,
    /// `true`: it was read at least once. Before, the content is unknown, which differs from empty.
    known: bool,
    lost: Option<Problem>,
    /// Last known revision when a listing that had forgotten it was rejected.
    forgotten: Option<Revision>,
}

/// State of a stored resource.
struct Kept {
    version: Revision,
    problems: Problems,
}

/// Task that delivers the changes of a store to its [`StoreSource`].
pub struct Feeder {
    store: Arc<dyn Store>,
    outbox: Sender<News>,
}

enum News {
    /// Complete listing.
    All(Listing),
    /// Changes since.
    Changes(Vec<StoreChange>),
    /// The store cannot be read.
    Lost(StoreError),
}

impl StoreSource {
    /// Creates a source that follows a store as soon as the feeder runs. Documents are parsed with `options`.
    pub fn new(store: Arc<dyn Store>, options: Options) -> (Self, Feeder) {
        let (outbox, inbox) = channel();
        let feeder = Feeder { store: Arc::clone(&store), outbox };
        let source = Self {
            store,
            options,
            inbox,
            revision: Revision::ZERO,
            epoch: None,
            resources: BTreeMap::new(),
            ledger: Ledger::default(),
            unreadable: BTreeMap::new(),
            changed: None,
            objections: Vec::new(),
            known: false,
            lost: None,
            forgotten: None,
        };
        (source, feeder)
    }

    fn take_all(&mut self, Listing { revision, items, unreadable, epoch }: Listing) {
        if std::mem::replace(&mut self.epoch, epoch) != self.epoch && self.known {
            // the same version may be of another document, and an unchanged state counts as a change
            self.resources.values_mut().for_each(|kept| kept.version = Revision::ZERO);
            self.changed.get_or_insert_default();
        }
        let kept = unreadable.iter().filter_map(Unreadable::key);
        let there: BTreeSet<ResourceKey> = items.iter().map(|item| item.key.clone()).chain(kept).collect();
        let gone: Vec<_> = self.resources.keys().filter(|key| !there.contains(*key)).cloned().collect();
        let named = |it: &Unreadable| (Arc::from(it.place()), unreadable_problem(it));
        let unreadable = unreadable.iter().map(named).collect();
        if std::mem::replace(&mut self.unreadable, unreadable) != self.unreadable {
            self.changed.get_or_insert_default();
        }
        gone.iter().for_each(|key| self.forget(key));
        items.iter().for_each(|item| self.see(item));
        self.revision = revision;
        // even an empty store is a state that has to be adopted once
        if !std::mem::replace(&mut self.known, true) {
            self.changed.get_or_insert_default();
        }
    }

    /// Parses a stored resource. It was valid by the rules of its writer; here it may not be.
    fn see(&mut self, stored: &Stored) {
        let Stored { key, document, version, created, modified: _ } = stored;
        if self.resources.get(key).is_some_and(|kept| kept.version == *version) {
            return;
        }
        let name: Arc<str> = key.to_string().into();
        // without the text: a stored document has no lines, and a secret is not shown
        let document = Document::from_value(&name, document.clone());
        // a panic affects this resource only
        let (resource, problems) = match caught("stored-resource", || draft::parse(&document, &self.options))
        {
            Some(parsed) => (parsed.resource, parsed.problems),
            None => (None, Problems::from_iter([problem_of(&name, "reading it ended in a panic")])),
        };
        if let Some(resource) = resource.filter(|_| !problems.has_errors()) {
            let resource = Arc::new(resource.or_created(created.as_microsecond()));
            self.ledger.put(Arc::new(Entry { document, resource }));
        }
        self.unreadable.remove(&name);
        self.resources.insert(key.clone(), Kept { version: *version, problems });
        self.changed.get_or_insert_default().insert(name);
    }

    fn forget(&mut self, key: &ResourceKey) {
        self.resources.remove(key);
        self.ledger.remove(key);
        self.changed.get_or_insert_default().insert(key.to_string().into());
    }
}

impl Source for StoreSource {
    /// Takes in what the feeder has delivered.
    fn refresh(&mut self, _now: Instant) {
        while let Ok(news) = self.inbox.try_recv() {
            self.lost = match &news {
                News::Lost(error) => Some(problem(&self.store.describe(), error)),
                News::All(_) | News::Changes(_) => None,
            };
            match news {
                News::All(Listing { revision, items, .. })
                    if items.is_empty() && revision < self.revision =>
                {
                    self.forgotten = Some(self.revision);
                }
                News::All(listing) => {
                    self.forgotten = None;
                    self.take_all(listing);
                }
                News::Changes(changes) => {
                    for StoreChange { revision, key, what } in changes {
                        match what {
                            StoreChangeKind::Put(stored) => self.see(&stored),
                            StoreChangeKind::Deleted => self.forget(&key),
                        }
                        self.revision = revision;
                    }
                }
                News::Lost(_) => {}
            }
        }
    }

    fn is_unsettled(&self) -> bool {
        self.known && self.changed.is_some()
    }

    fn settle(&mut self, adopt: &mut Adopt<'_>) -> OfferOutcome {
        let changed = self.changed.clone().unwrap_or_default();
        let adopted = adopt(&Candidate { ledger: self.ledger.clone(), changed });
        // not before: after a panic the same is to be offered again
        self.changed = None;
        match adopted {
            Ok(()) => {
                self.objections.clear();
                OfferOutcome::Adopted
            }
            Err(objections) => {
                self.objections = objections;
                OfferOutcome::Refused
            }
        }
    }

    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        self.resources.values().for_each(|kept| problems.append(kept.problems.clone()));
        problems.extend(self.unreadable.values().cloned());
        problems.extend(self.objections.iter().cloned());
        problems.extend(self.lost.clone());
        problems.extend(self.forgotten.map(|revision| another(&self.store.describe(), revision)));
        problems.sort();
        problems
    }

    fn states(&self) -> Vec<(Arc<str>, SourceState)> {
        let state = |(key, kept): (&ResourceKey, &Kept)| {
            let state = match (kept.problems.has_errors(), self.ledger.get(key)) {
                (false, _) => SourceState::Current,
                (true, Some(_)) => SourceState::LastGood,
                (true, None) => SourceState::Nothing,
            };
            (key.to_string().into(), state)
        };
        self.resources.iter().map(state).collect()
    }

    fn revision(&self) -> Option<Revision> {
        Some(self.revision)
    }

    fn epoch(&self) -> Option<Arc<str>> {
        self.epoch.clone()
    }

    fn is_away(&self) -> bool {
        self.lost.is_some()
    }

    fn dangling(&self) -> DanglingPolicy {
        DanglingPolicy::Told
    }

    fn describe(&self) -> String {
        self.store.describe()
    }
}

impl Feeder {
    /// Delivers a listing, then each change, until the source is dropped. Calls `wake` after each delivery.
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

    /// Delivers until the source is dropped, or the store fails.
    async fn bring(&self, wake: &impl Fn(), pause: &mut Duration) -> Result<(), StoreError> {
        let listing = self.store.list(&Selection::default()).await?;
        let mut watch = self.store.watch(listing.revision).await?;
        if watch.epoch() != listing.epoch.as_ref() {
            // the store was failed over in between
            return Err(StoreError::TooOld { after: listing.revision, oldest: listing.revision });
        }
        let mut news = News::All(listing);
        while self.outbox.send(news).is_ok() {
            wake();
            *pause = FIRST_PAUSE;
            news = News::Changes(watch.next().await?);
        }
        Ok(())
    }
}

fn unreadable_problem(it: &Unreadable) -> Problem {
    let help =
        "it is left as it is, and everything else is served; a newer version may read it, or write it anew";
    Problem { help: Some(help.into()), ..problem_of(&it.place(), format!("cannot be read: {}", it.why)) }
}

fn problem(store: &str, error: &StoreError) -> Problem {
    let help = "what is in force stays; it is tried again";
    let said = error.to_string();
    // the place is named in front of it already
    let why = said.strip_prefix(store).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&said);
    Problem { help: Some(help.into()), ..problem_of(store, why.to_owned()) }
}

/// Creates the problem of a store that has forgotten everything: it may have been replaced, or restored to nothing.
fn another(store: &str, revision: Revision) -> Problem {
    let message =
        format!("has nothing any more, and does not know revision {revision}, which was read from it");
    let help = "what was read from it stays in force; is it the right store? If it is, start this anew";
    Problem { help: Some(help.into()), ..problem_of(store, message) }
}

#[cfg(test)]
mod tests;
