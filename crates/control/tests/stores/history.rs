//! Consistency check of the observations of writers and watchers: no update lost, no gap, no reorder.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meshtcp_control::store::{Expected, Listing, Revision, Selection, Store, StoreChangeKind, StoreError};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::promises::{document, route, value};

/// Names that the writers compete for.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// Pause before a lost store is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// Observation of a writer or a watcher.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A writer's increment was accepted.
    Accepted { revision: u64, name: String, value: u64 },
    /// A watcher listed, and watches from there.
    Listed { watcher: usize, revision: u64 },
    /// A watcher saw a change.
    Saw { watcher: usize, revision: u64, name: String, value: u64 },
}

/// Receiver of events.
pub(crate) type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// Increments counters, each on top of what was read, until it is time to stop.
pub(crate) async fn write(store: Arc<dyn Store>, number: usize, tell: Tell, stop: Arc<AtomicBool>) {
    for turn in number.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = NAMES[turn % NAMES.len()];
        // a store in memory never waits, and would let no other task run
        sleep(Duration::from_millis(1)).await;
        match increment(&*store, name).await {
            Ok(Some((revision, value))) => {
                tell(Event::Accepted { revision: revision.number(), name: name.into(), value });
            }
            Ok(None) => {}
            Err(error) => {
                assert!(error.retry_helps(), "{error}");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn increment(store: &dyn Store, name: &str) -> Result<Option<(Revision, u64)>, StoreError> {
    let key = route(name);
    let (next, expected) = match store.get(&key).await? {
        Some(read) => (value(&read.document) + 1, Expected::Version(read.version)),
        None => (1, Expected::Absent),
    };
    match store.put(&key, document(&key, next), expected).await {
        Ok(written) => Ok(Some((written.stored.version, next))),
        Err(StoreError::Conflict { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Reports every change that it sees, without end.
pub(crate) async fn watch(store: Arc<dyn Store>, watcher: usize, tell: Tell) {
    loop {
        let Ok(Listing { revision, .. }) = store.list(&Selection::default()).await else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(mut watch) = store.watch(revision).await else {
            sleep(PAUSE).await;
            continue;
        };
        tell(Event::Listed { watcher, revision: revision.number() });
        loop {
            match watch.next().await {
                Ok(changes) => changes.into_iter().for_each(|change| match change.what {
                    StoreChangeKind::Put(stored) => tell(Event::Saw {
                        watcher,
                        revision: change.revision.number(),
                        name: change.key.name,
                        value: value(&stored.document),
                    }),
                    StoreChangeKind::Deleted => panic!("nobody deletes"),
                }),
                Err(StoreError::TooOld { .. }) => break,
                Err(error) => {
                    assert!(error.retry_helps(), "{error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Several writers and watchers at work, each with a store of its own over the same resources.
pub(crate) struct Work {
    stop: Arc<AtomicBool>,
    writers: JoinSet<()>,
    watchers: JoinSet<()>,
}

impl Work {
    pub(crate) fn start(stores: &[Arc<dyn Store>], writers: usize, watchers: usize, tell: &Tell) -> Self {
        let mut work = Work { stop: Arc::default(), writers: JoinSet::new(), watchers: JoinSet::new() };
        let store = |number: usize| Arc::clone(&stores[number % stores.len()]);
        for number in 0..watchers {
            work.watchers.spawn(watch(store(number), number, Arc::clone(tell)));
        }
        for number in 0..writers {
            work.writers.spawn(write(store(number), number, Arc::clone(tell), Arc::clone(&work.stop)));
        }
        work
    }

    /// Stops the writers, and waits until the watchers have seen everything.
    pub(crate) async fn end(mut self, store: &dyn Store, seen: impl Fn() -> Vec<Event>) {
        let patience = Duration::from_secs(60);
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = timeout(patience, self.writers.join_next()).await.expect("writers end") {
            ended.unwrap();
        }
        let last = timeout(patience, told(store)).await.expect("the store comes back");
        let all_saw = async {
            while !every_watcher_saw(last, self.watchers.len(), &seen()) {
                sleep(PAUSE).await;
            }
        };
        timeout(patience, all_saw).await.expect("every watcher sees the end");
        self.watchers.shutdown().await;
    }
}

/// Creates a collector of events.
pub(crate) fn collector() -> (Tell, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    (Arc::new(move |event| told.lock().unwrap().push(event)), events)
}

/// Runs writers and watchers for a while, without failures.
pub(crate) async fn of_a_while(stores: &[Arc<dyn Store>]) {
    let (tell, events) = collector();
    let work = Work::start(stores, 4, 3, &tell);
    sleep(Duration::from_millis(500)).await;
    work.end(&*stores[0], || events.lock().unwrap().clone()).await;
    let end = stores[0].list(&Selection::default()).await.unwrap();
    check(&events.lock().unwrap(), &end);
}

fn every_watcher_saw(last: u64, watchers: usize, events: &[Event]) -> bool {
    (0..watchers).all(|number| {
        events.iter().any(|event| match event {
            Event::Saw { watcher, revision, .. } | Event::Listed { watcher, revision } => {
                *watcher == number && *revision >= last
            }
            Event::Accepted { .. } => false,
        })
    })
}

/// Panics unless all events and the final listing are consistent. Events of one watcher are in its order.
pub(crate) fn check(events: &[Event], end: &Listing) {
    let mut known: BTreeMap<u64, (String, u64)> = BTreeMap::new();
    let mut last_of: BTreeMap<usize, u64> = BTreeMap::new();
    for event in events {
        match event {
            Event::Listed { watcher, revision } => {
                last_of.insert(*watcher, *revision);
            }
            Event::Saw { watcher, revision, name, value } => {
                let last = last_of.insert(*watcher, *revision).expect("it listed first");
                assert_eq!(*revision, last + 1, "watcher {watcher} saw a gap, or things out of order");
                know(&mut known, *revision, name, *value);
            }
            Event::Accepted { revision, name, value } => know(&mut known, *revision, name, *value),
        }
    }
    assert!(!known.is_empty(), "nothing happened");
    let mut counters: BTreeMap<&str, u64> = BTreeMap::new();
    for (revision, (name, value)) in &known {
        let before = counters.insert(name, *value);
        if let Some(before) = before {
            assert!(
                *value > before,
                "{name} = {value} at revision {revision} came after {before}: an update was lost"
            );
        }
    }
    // where all changes are known, each is the next value of its counter
    let first = known.keys().next().copied().unwrap_or_default();
    let all_known = known.keys().enumerate().all(|(index, revision)| *revision == first + index as u64);
    assert_eq!(counters.len(), NAMES.len());
    if all_known && first == 1 {
        let changes: u64 = counters.values().sum();
        assert_eq!(changes, known.len() as u64, "an update was lost");
    }
    for stored in &end.items {
        let last = counters[stored.key.name.as_str()];
        assert!(value(&stored.document) >= last, "{} = {last} was accepted and is gone", stored.key);
    }
    assert!(end.revision.number() >= *known.keys().last().unwrap_or(&0));
}

fn know(known: &mut BTreeMap<u64, (String, u64)>, revision: u64, name: &str, value: u64) {
    let told = (name.to_owned(), value);
    let before = known.entry(revision).or_insert_with(|| told.clone());
    assert_eq!(*before, told, "two changes at revision {revision}");
}

#[test]
#[should_panic(expected = "a gap")]
fn a_gap_is_found() {
    let saw = |revision| Event::Saw { watcher: 0, revision, name: "a".into(), value: revision };
    check(&[Event::Listed { watcher: 0, revision: 0 }, saw(1), saw(3)], &nothing());
}

#[test]
#[should_panic(expected = "an update was lost")]
fn a_lost_update_is_found() {
    let accepted = |revision, value| Event::Accepted { revision, name: "a".into(), value };
    check(&[accepted(1, 1), accepted(2, 2), accepted(3, 2)], &nothing());
}

#[test]
#[should_panic(expected = "two changes at revision 1")]
fn a_revision_that_means_two_things_is_found() {
    let accepted = |revision, value| Event::Accepted { revision, name: "a".into(), value };
    check(&[accepted(1, 1), accepted(1, 2)], &nothing());
}

fn nothing() -> Listing {
    Listing::new(Revision::ZERO, Vec::new())
}

/// Returns the last revision, as soon as the store can be asked: it may be recovering.
async fn told(store: &dyn Store) -> u64 {
    loop {
        match store.revision().await {
            Ok(revision) => return revision.number(),
            Err(StoreError::Lost { .. }) => sleep(PAUSE).await,
            Err(error) => panic!("{error}"),
        }
    }
}
