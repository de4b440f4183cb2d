//! Promises of a store, each as a function of a fresh store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use meshtcp_control::store::{
    Effect, Expected, Fault, HistoryEntry, Put, ResultingState, Revision, Selection, Store, StoreChange,
    StoreChangeKind, StoreError, Watch,
};
use model::{Kind, ResourceKey};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Limit on any wait, for the most loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn route(name: &str) -> ResourceKey {
    ResourceKey::new(Kind::MeshTCPRoute, "default", name)
}

/// Returns a document of a key, with a value that can differ.
pub(crate) fn document(key: &ResourceKey, value: u64) -> Value {
    let mut document = json!({ "type": key.kind.as_str(), "name": key.name });
    if let Some(mesh) = &key.mesh {
        document["mesh"] = json!(mesh);
    }
    document["spec"] = json!({ "value": value });
    document
}

pub(crate) fn value(document: &Value) -> u64 {
    document["spec"]["value"].as_u64().unwrap()
}

/// Puts without an expectation.
pub(crate) async fn put(store: &dyn Store, key: &ResourceKey, number: u64) -> Revision {
    store.put(key, document(key, number), Expected::Any).await.unwrap().stored.version
}

/// Returns the next changes, within the limit.
pub(crate) async fn next(watch: &mut Watch) -> Vec<StoreChange> {
    timeout(PATIENCE, watch.next()).await.expect("a change was to come").unwrap()
}

/// Returns all changes up to a revision.
pub(crate) async fn until(watch: &mut Watch, revision: Revision) -> Vec<StoreChange> {
    let mut changes = Vec::new();
    while watch.revision() < revision {
        changes.extend(next(watch).await);
    }
    changes
}

pub(crate) async fn what_is_put_can_be_read(store: Arc<dyn Store>) {
    let key = route("canary");
    assert_eq!(store.get(&key).await.unwrap(), None);
    let created = store.put(&key, document(&key, 1), Expected::Absent).await.unwrap();
    assert_eq!(created.effect, Effect::Created);
    let read = store.get(&key).await.unwrap().unwrap();
    assert_eq!(read, created.stored);
    assert_eq!(read.document, document(&key, 1));
    assert_eq!(read.created, read.modified);

    let changed = store.put(&key, document(&key, 2), Expected::Any).await.unwrap();
    assert_eq!(changed.effect, Effect::Changed);
    assert_eq!(changed.stored.created, read.created);
    assert!(changed.stored.modified >= read.modified);
    assert_eq!(store.get(&key).await.unwrap(), Some(changed.stored));

    let removed = store.delete(&key, Expected::Any).await.unwrap();
    assert!(removed > created.stored.version);
    assert_eq!(store.get(&key).await.unwrap(), None);
    let again = store.delete(&key, Expected::Any).await.unwrap_err();
    assert!(matches!(again, StoreError::NotFound(_)), "{again}");
    assert_eq!((again.fault(), again.retry_helps()), (Fault::Caller, false));
    let anew = store.put(&key, document(&key, 3), Expected::Absent).await.unwrap();
    assert_eq!(anew.effect, Effect::Created);
    assert!(anew.stored.version > removed);
}

pub(crate) async fn a_listing_is_sorted_and_selected(store: Arc<dyn Store>) {
    let keys = [
        ResourceKey::global(Kind::Mesh, "shop"),
        ResourceKey::global(Kind::Mesh, "default"),
        ResourceKey::new(Kind::Dataplane, "shop", "web-1"),
        ResourceKey::new(Kind::Dataplane, "default", "web-1"),
        ResourceKey::new(Kind::Dataplane, "default", "api-1"),
        ResourceKey::new(Kind::Dataplane, "default", "API-2"),
        ResourceKey::global(Kind::Zone, "east"),
    ];
    for key in &keys {
        put(&*store, key, 1).await;
    }
    let list = async |selection: Selection| -> Vec<String> {
        let listing = store.list(&selection).await.unwrap();
        listing.items.iter().map(|item| item.key.to_string()).collect()
    };
    assert_eq!(
        list(Selection::of_kind(Kind::Dataplane)).await,
        [
            "Dataplane default/API-2",
            "Dataplane default/api-1",
            "Dataplane default/web-1",
            "Dataplane shop/web-1"
        ]
    );
    assert_eq!(list(Selection::of_kind(Kind::Dataplane).in_mesh("shop")).await, ["Dataplane shop/web-1"]);
    assert_eq!(list(Selection::of_kind(Kind::Mesh)).await, ["Mesh default", "Mesh shop"]);
    assert_eq!(list(Selection::default().in_mesh("shop")).await, ["Dataplane shop/web-1"]);
    assert!(list(Selection::of_kind(Kind::MeshTrace)).await.is_empty());
    let all = store.list(&Selection::default()).await.unwrap();
    assert_eq!(all.items.len(), keys.len());
    assert_eq!(all.revision, store.revision().await.unwrap());
    assert_eq!(all.revision, all.items.iter().map(|item| item.version).max().unwrap());
}

pub(crate) async fn a_change_is_made_only_on_what_was_expected(store: Arc<dyn Store>) {
    let key = route("canary");
    let first = put(&*store, &key, 1).await;
    let second = put(&*store, &key, 2).await;
    let before = store.get(&key).await.unwrap();
    for (expected, found) in [
        (store.put(&key, document(&key, 9), Expected::Absent).await.map(drop), &before),
        (store.put(&key, document(&key, 9), Expected::Version(first)).await.map(drop), &before),
        (store.delete(&key, Expected::Absent).await.map(drop), &before),
        (store.delete(&key, Expected::Version(first)).await.map(drop), &before),
        (
            store.put(&route("new"), document(&route("new"), 9), Expected::Version(first)).await.map(drop),
            &None,
        ),
        (store.delete(&route("new"), Expected::Version(first)).await.map(drop), &None),
    ] {
        match expected {
            Err(StoreError::Conflict { found: told, .. }) => assert_eq!(told.as_deref(), found.as_ref()),
            other => panic!("expected a conflict, not {other:?}"),
        }
    }
    assert_eq!(store.get(&key).await.unwrap(), before);
    assert_eq!(store.revision().await.unwrap(), second, "what was refused has no revision");
    let third = store.put(&key, document(&key, 3), Expected::Version(second)).await.unwrap();
    store.delete(&key, Expected::Version(third.stored.version)).await.unwrap();
}

pub(crate) async fn an_equal_document_changes_nothing(store: Arc<dyn Store>) {
    let key = route("canary");
    let first = store.put(&key, document(&key, 1), Expected::Any).await.unwrap();
    let again = store.put(&key, document(&key, 1), Expected::Any).await.unwrap();
    assert_eq!(again.effect, Effect::Unchanged);
    assert_eq!(again.stored, first.stored);
    assert_eq!(store.revision().await.unwrap(), first.stored.version);
}

pub(crate) async fn a_document_is_what_its_key_says(store: Arc<dyn Store>) {
    let key = route("canary");
    for document in [
        document(&route("other"), 1),
        document(&ResourceKey::new(Kind::MeshTCPRoute, "shop", "canary"), 1),
        document(&ResourceKey::new(Kind::MeshHTTPRoute, "default", "canary"), 1),
        json!({ "type": "Nonsense", "name": "canary" }),
        json!("text"),
        Value::Null,
    ] {
        let refused = store.put(&key, document.clone(), Expected::Any).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unfit { .. }), "{document}: {refused}");
        assert_eq!((refused.fault(), refused.retry_helps()), (Fault::Caller, false));
    }
    assert_eq!(store.revision().await.unwrap(), Revision::ZERO);
}

pub(crate) async fn odd_documents_come_back_as_they_were(store: Arc<dyn Store>) {
    let names = [
        "plain",
        "with.dots-and-9",
        "naïve ☃",
        "a/b",
        "..",
        "CON",
        "quote'\"; --",
        "%2e%2e",
        "x".repeat(200).leak(),
    ];
    for name in names {
        let key = route(name);
        let mut document = document(&key, u64::MAX);
        document["spec"]["texts"] = json!([
            "",
            " ",
            "1.10",
            "yes",
            "null",
            "~",
            "012",
            "a\nb\n",
            "# no comment",
            "\u{7f}\u{85}\u{2028}",
            "'",
            "\"",
            ": ",
            "---",
            "…",
            "{}",
            "&a",
            "*a",
            "!t",
            "|",
            "\ttab"
        ]);
        document["spec"]["numbers"] = json!([0, -1, 1.5, -0.0, 1e300, i64::MIN]);
        document["spec"]["others"] =
            json!({ "null": null, "yes": true, "": [], "z": {}, "a": [[], [[]], {}], "0": "key" });
        store.put(&key, document.clone(), Expected::Absent).await.unwrap();
        let read = store.get(&key).await.unwrap().unwrap();
        assert_eq!(read.document, document, "{name}");
        let written: Vec<&String> = document["spec"].as_object().unwrap().keys().collect();
        let kept: Vec<&String> = read.document["spec"].as_object().unwrap().keys().collect();
        assert_eq!(kept, written, "the order of fields is the writer's");
    }
    assert_eq!(store.list(&Selection::default()).await.unwrap().items.len(), names.len());
}

pub(crate) async fn revisions_grow_with_each_change(store: Arc<dyn Store>) {
    assert_eq!(store.revision().await.unwrap(), Revision::ZERO);
    let mut last = Revision::ZERO;
    for number in 0..5 {
        for name in ["a", "b"] {
            let revision = put(&*store, &route(name), number).await;
            assert!(revision > last);
            assert_eq!(store.revision().await.unwrap(), revision);
            last = revision;
        }
    }
}

pub(crate) async fn a_watch_gives_every_change_in_order(store: Arc<dyn Store>) {
    let from = store.list(&Selection::default()).await.unwrap().revision;
    put(&*store, &route("a"), 1).await;
    let middle = put(&*store, &route("b"), 1).await;
    put(&*store, &route("a"), 2).await;
    let last = store.delete(&route("b"), Expected::Any).await.unwrap();
    let mut watch = store.watch(from).await.unwrap();
    let told: Vec<(String, Option<u64>)> = until(&mut watch, last).await.iter().map(in_short).collect();
    let all = [("a", Some(1)), ("b", Some(1)), ("a", Some(2)), ("b", None)];
    assert_eq!(told, all.map(|(name, value)| (name.to_owned(), value)));
    let mut watch = store.watch(middle).await.unwrap();
    let told: Vec<(String, Option<u64>)> = until(&mut watch, last).await.iter().map(in_short).collect();
    assert_eq!(told, all[2..].iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>());
}

fn in_short(change: &StoreChange) -> (String, Option<u64>) {
    let value = match &change.what {
        StoreChangeKind::Put(stored) => {
            assert_eq!((&stored.key, stored.version), (&change.key, change.revision));
            Some(value(&stored.document))
        }
        StoreChangeKind::Deleted => None,
    };
    (change.key.name.clone(), value)
}

pub(crate) async fn a_watch_that_waits_is_woken(store: Arc<dyn Store>) {
    let mut watch = store.watch(Revision::ZERO).await.unwrap();
    let waiting = tokio::spawn(async move { next(&mut watch).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let revision = put(&*store, &route("a"), 1).await;
    let changes = waiting.await.unwrap();
    assert_eq!(changes.first().unwrap().revision, revision);
}

pub(crate) async fn a_watch_from_nowhere_is_refused(store: Arc<dyn Store>) {
    put(&*store, &route("a"), 1).await;
    let refused = store.watch(Revision::new(1_000_000)).await.unwrap_err();
    assert!(matches!(refused, StoreError::TooOld { .. }), "{refused}");
}

pub(crate) async fn a_dropped_wait_loses_nothing(store: Arc<dyn Store>) {
    let mut watch = store.watch(Revision::ZERO).await.unwrap();
    let mut told = Vec::new();
    let mut last = Revision::ZERO;
    for number in 0..20 {
        last = put(&*store, &route("a"), number).await;
        // often too short, sometimes not
        if let Ok(changes) = timeout(Duration::from_micros(number * 50), watch.next()).await {
            told.extend(changes.unwrap());
        }
    }
    told.extend(until(&mut watch, last).await);
    let values: Vec<Option<u64>> = told.iter().map(|change| in_short(change).1).collect();
    assert_eq!(values, (0..20).map(Some).collect::<Vec<_>>());
}

pub(crate) async fn concurrent_increments_are_all_counted(store: Arc<dyn Store>) {
    const WRITERS: u64 = 6;
    const EACH: u64 = 10;
    let key = route("counter");
    put(&*store, &key, 0).await;
    let mut watch = store.watch(Revision::ZERO).await.unwrap();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (store, key) = (Arc::clone(&store), key.clone());
        writers.spawn(async move {
            for _ in 0..EACH {
                loop {
                    let read = store.get(&key).await.unwrap().unwrap();
                    let next = document(&key, value(&read.document) + 1);
                    match store.put(&key, next, Expected::Version(read.version)).await {
                        Ok(_) => break,
                        Err(StoreError::Conflict { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        });
    }
    timeout(PATIENCE, writers.join_all()).await.unwrap();
    let end = store.get(&key).await.unwrap().unwrap();
    assert_eq!(value(&end.document), WRITERS * EACH);
    let told = until(&mut watch, end.version).await;
    let values: Vec<Option<u64>> = told.iter().map(|change| in_short(change).1).collect();
    assert_eq!(values, (0..=WRITERS * EACH).map(Some).collect::<Vec<_>>());
}

pub(crate) async fn concurrent_creations_have_one_winner(store: Arc<dyn Store>) {
    let mut writers = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let key = route("one");
            match store.put(&key, document(&key, number), Expected::Absent).await {
                Ok(_) => Some(number),
                Err(StoreError::Conflict { .. }) => None,
                Err(other) => panic!("{other}"),
            }
        });
    }
    let won: Vec<u64> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let kept: BTreeMap<ResourceKey, u64> = store
        .list(&Selection::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|item| (item.key, value(&item.document)))
        .collect();
    assert_eq!(kept, BTreeMap::from([(route("one"), won[0])]));
}

pub(crate) async fn what_is_put_together_is_seen_together(store: Arc<dyn Store>) {
    let of = |name: &str, number, expected| {
        let key = route(name);
        Put { document: document(&key, number), key, expected }
    };
    let first = put(&*store, &route("there"), 1).await;
    let mut watch = store.watch(first).await.unwrap();
    let names: Vec<String> = (0..600).map(|number| format!("r{number:03}")).collect();
    let mut puts: Vec<Put> = names.iter().map(|name| of(name, 1, Expected::Absent)).collect();
    puts.insert(300, of("there", 1, Expected::Any));
    puts.push(of("there", 2, Expected::Version(first)));
    let written = store.put_all(puts).await.unwrap();
    let effects = |effect| written.iter().filter(|it| it.effect == effect).count();
    assert_eq!((effects(Effect::Created), effects(Effect::Changed), effects(Effect::Unchanged)), (600, 1, 1));
    // one after the other, and in one piece
    let changes = next(&mut watch).await;
    let revisions: Vec<Revision> = changes.iter().map(|change| change.revision).collect();
    let mut expected = vec![first.next()];
    expected.extend((1..601).scan(first.next(), |last, _| {
        *last = last.next();
        Some(*last)
    }));
    assert_eq!(revisions, expected);
    assert_eq!(store.revision().await.unwrap(), *expected.last().unwrap());
    assert_eq!(changes.last().unwrap().key, route("there"));

    // all or none
    let puts = vec![of("new", 1, Expected::Any), of("r000", 2, Expected::Absent)];
    assert!(matches!(store.put_all(puts).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.get(&route("new")).await.unwrap(), None);
    let foreign = Put { document: document(&route("other"), 1), ..of("x", 1, Expected::Any) };
    let puts = vec![of("new", 1, Expected::Any), foreign];
    assert!(matches!(store.put_all(puts).await, Err(StoreError::Unfit { .. })));
    assert_eq!(store.get(&route("new")).await.unwrap(), None);
    let same = vec![of("r000", 1, Expected::Any), of("r001", 1, Expected::Any)];
    assert!(store.put_all(same).await.unwrap().iter().all(|it| it.effect == Effect::Unchanged));
    assert_eq!(store.revision().await.unwrap(), *expected.last().unwrap(), "nothing changed");
    let next_one = put(&*store, &route("new"), 1).await;
    assert_eq!(next_one, expected.last().unwrap().next());
}

pub(crate) async fn what_is_remembered_comes_back_the_newest_first(store: Arc<dyn Store>) {
    let (key, other) = (route("canary"), route("other"));
    assert_eq!(store.past(&key).await.unwrap(), []);
    let past = |key: &ResourceKey, revision: u64| {
        HistoryEntry::of(key, Revision::new(revision), "jo/writers".into(), Some(&document(key, revision)))
    };
    for revision in 1..=60 {
        store.remember(vec![past(&key, revision)]).await.unwrap();
    }
    let gone = HistoryEntry::of(&other, Revision::new(61), "al".into(), None);
    let secret = ResourceKey::new(Kind::Secret, "default", "token");
    let hidden =
        HistoryEntry::of(&secret, Revision::new(62), "al".into(), Some(&json!({ "data": "aHVudGVyMg==" })));
    store.remember(vec![gone.clone(), hidden]).await.unwrap();
    let found = store.past(&key).await.unwrap();
    let revisions: Vec<u64> = found.iter().map(|it| it.revision.number()).collect();
    assert_eq!(revisions, (11..=60).rev().collect::<Vec<_>>(), "the last 50");
    assert_eq!(found[0].became, ResultingState::Said(document(&key, 60)));
    assert_eq!(found[0].by, "jo/writers");
    assert_eq!(store.past(&other).await.unwrap(), [gone]);
    assert_eq!(store.past(&secret).await.unwrap()[0].became, ResultingState::Secret);
}
