//! Tests of a store as a source of the compile loop.

use model::{ResourceKey, Severity};
use serde_json::{Value, json};

use super::*;
use crate::store::{Expected, MemoryStore};

fn mesh(name: &str) -> Value {
    json!({ "type": "Mesh", "name": name })
}

async fn put(store: &dyn Store, document: Value) -> Revision {
    let key = ResourceKey::of_document(&document).unwrap();
    store.put(&key, document, Expected::Any).await.unwrap().stored.version
}

/// Runs the feeder until the store was followed up to a revision.
async fn up_to(followed: &mut StoreSource, revision: Revision) {
    while followed.revision() < Some(revision) {
        tokio::task::yield_now().await;
        followed.refresh(Instant::now());
    }
}

fn names(followed: &mut StoreSource) -> Vec<String> {
    let mut found = Vec::new();
    let settled = followed.settle(&mut |candidate| {
        found = candidate.ledger.entries().map(|(key, _)| key.to_string()).collect();
        Ok(())
    });
    assert_eq!(settled, OfferOutcome::Adopted, "nobody objected");
    found
}

#[tokio::test]
async fn a_resource_that_cannot_be_parsed_is_told_and_its_last_good_state_stays() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (mut followed, feeder) = StoreSource::new(Arc::clone(&store), Options::default());
    let fed = tokio::spawn(feeder.run(|| {}));
    put(&*store, mesh("default")).await;
    let good = json!({
        "type": "MeshTCPRoute", "mesh": "default", "name": "canary",
        "spec": {
            "targetRef": { "kind": "Mesh" },
            "to": [{
                "targetRef": { "kind": "MeshService", "name": "ledger" },
                "rules": [{ "default": { "backendRefs": [{ "kind": "MeshService", "name": "ledger", "weight": 1 }] } }],
            }],
        },
    });
    let revision = put(&*store, good.clone()).await;
    up_to(&mut followed, revision).await;
    let all = ["Mesh default", "MeshTCPRoute default/canary"];
    assert_eq!(names(&mut followed), all);

    let mut bad = good.clone();
    bad["spec"]["targetRef"]["kind"] = json!("Nothing");
    let revision = put(&*store, bad).await;
    up_to(&mut followed, revision).await;
    assert!(followed.is_unsettled());
    assert_eq!(names(&mut followed), all);
    let problems = followed.problems();
    assert!(problems.iter().any(|problem| problem.severity == Severity::Error), "{problems:?}");
    assert!(problems.iter().all(|problem| &*problem.source == "MeshTCPRoute default/canary"), "{problems:?}");
    let state = |followed: &StoreSource| followed.states().last().unwrap().1;
    assert_eq!(state(&followed), SourceState::LastGood);

    let revision = put(&*store, good).await;
    up_to(&mut followed, revision).await;
    names(&mut followed);
    assert_eq!((state(&followed), followed.problems().len()), (SourceState::Current, 0));
    let removed =
        store.delete(&ResourceKey::new(model::Kind::MeshTCPRoute, "default", "canary"), Expected::Any).await;
    up_to(&mut followed, removed.unwrap()).await;
    assert_eq!(names(&mut followed), ["Mesh default"]);
    drop(followed);
    put(&*store, mesh("other")).await;
    fed.await.unwrap();
}

#[tokio::test]
async fn a_store_that_has_forgotten_everything_is_not_believed() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    put(&*store, mesh("one")).await;
    let two = put(&*store, mesh("two")).await;
    let (mut followed, feeder) = StoreSource::new(Arc::clone(&store), Options::default());
    let list = async || store.list(&Selection::default()).await.unwrap();
    feeder.outbox.send(News::All(list().await)).unwrap();
    followed.refresh(Instant::now());
    assert_eq!(names(&mut followed), ["Mesh one", "Mesh two"]);

    let another = Listing::new(Revision::ZERO, Vec::new());
    feeder.outbox.send(News::All(another)).unwrap();
    followed.refresh(Instant::now());
    assert_eq!(names(&mut followed), ["Mesh one", "Mesh two"]);
    let problems = followed.problems();
    assert!(problems[0].violation.message.contains(&format!("revision {two}")), "{problems:?}");

    // everything was deleted, one after the other: the store knows all that was read from it
    for name in ["one", "two"] {
        store.delete(&ResourceKey::global(model::Kind::Mesh, name), Expected::Any).await.unwrap();
    }
    feeder.outbox.send(News::All(list().await)).unwrap();
    followed.refresh(Instant::now());
    assert_eq!(names(&mut followed), [""; 0]);
    assert_eq!(followed.problems(), []);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_what_was_read_of_it_stays() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    put(&*store, mesh("one")).await;
    put(&*store, mesh("two")).await;
    let (mut followed, feeder) = StoreSource::new(Arc::clone(&store), Options::default());
    let whole = store.list(&Selection::default()).await.unwrap();
    feeder.outbox.send(News::All(whole.clone())).unwrap();
    followed.refresh(Instant::now());
    assert_eq!(names(&mut followed), ["Mesh one", "Mesh two"]);

    let unreadable = |kind: &str, name: &str| Unreadable {
        kind: kind.into(),
        mesh: String::new(),
        name: name.into(),
        why: "a bad time".into(),
    };
    let mut half = whole.clone();
    half.items.retain(|it| it.key.name != "two");
    half.unreadable = vec![unreadable("Mesh", "two"), unreadable("MeshOfTheFuture", "x")];
    feeder.outbox.send(News::All(half)).unwrap();
    followed.refresh(Instant::now());
    assert!(followed.is_unsettled(), "it is told");
    assert_eq!(names(&mut followed), ["Mesh one", "Mesh two"]);
    let sources: Vec<String> = followed.problems().iter().map(|it| it.source.to_string()).collect();
    assert_eq!(sources, ["Mesh two", "MeshOfTheFuture x"]);
    assert!(!followed.is_away());

    feeder.outbox.send(News::All(whole)).unwrap();
    followed.refresh(Instant::now());
    assert!(followed.is_unsettled());
    assert_eq!(followed.problems(), []);
}

#[test]
fn what_has_the_same_version_in_another_life_of_the_store_is_read_anew() {
    let (mut source, _feeder) = StoreSource::new(Arc::new(MemoryStore::default()), Options::default());
    let mesh = |zone: bool| {
        let document = serde_json::json!({ "type": "Mesh", "name": "m", "routing": { "zoneEgress": false, "localityAwareLoadBalancing": zone } });
        let key = ResourceKey::of_document(&document).unwrap();
        let now = jiff::Timestamp::UNIX_EPOCH;
        Stored { key, document, version: Revision::new(7), created: now, modified: now }
    };
    let listing =
        |zone, epoch: &str| Listing::new(Revision::new(7), vec![mesh(zone)]).of_epoch(Some(epoch.into()));
    source.take_all(listing(false, "1"));
    assert!(matches!(source.settle(&mut |_| Ok(())), OfferOutcome::Adopted));
    source.take_all(listing(true, "1"));
    assert!(!source.is_unsettled(), "one version is one state, in one life");
    source.take_all(listing(true, "2"));
    let mut seen = None;
    source.settle(&mut |candidate| {
        seen = candidate.ledger.entries().next().map(|(_, entry)| entry.document.value().clone());
        Ok(())
    });
    assert_eq!(seen.unwrap()["routing"]["localityAwareLoadBalancing"], true);
    assert_eq!(source.epoch().as_deref(), Some("2"));
}
