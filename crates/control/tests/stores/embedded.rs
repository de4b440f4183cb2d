//! Tests of the embedded store only: kill -9, a full disk, a second process, foreign files.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;

use meshtcp_control::store::{EmbeddedStore, Expected, Fault, Selection, Store, StoreError};

use super::child::{killed_after, place, succeeds_on_a_disk_of, tell};
use super::history::{Event, Work, check};
use super::promises::{document, put, route};

#[tokio::test]
async fn what_was_accepted_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let mut events: Vec<Event> = Vec::new();
    for round in 0..6 {
        events.extend(killed_after(25 + round * 13, "embedded::writes_until_it_is_killed", &path));
        let store = EmbeddedStore::open(&path).await.unwrap();
        check(&events, &store.list(&Selection::default()).await.unwrap());
    }
    assert!(events.iter().any(|event| matches!(event, Event::Accepted { .. })));
    assert!(events.iter().any(|event| matches!(event, Event::Saw { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a child of another test"]
async fn writes_until_it_is_killed() {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(place()).await.unwrap());
    let _work = Work::start(&[store], 4, 2, &tell());
    std::future::pending::<()>().await;
}

#[test]
fn a_full_disk_is_told_and_nothing_accepted_is_lost() {
    succeeds_on_a_disk_of(4, "embedded::fills_its_disk");
}

#[tokio::test]
#[ignore = "a child of another test"]
async fn fills_its_disk() {
    let path = place().join("store.redb");
    let store = EmbeddedStore::open(&path).await.unwrap();
    let first = put(&store, &route("first"), 1).await;
    let large = |name: &str| {
        let mut document = document(&route(name), 1);
        document["spec"]["padding"] = "x".repeat(100_000).into();
        document
    };
    let mut accepted = vec!["first".to_owned()];
    let refused = loop {
        let name = format!("large-{}", accepted.len());
        match store.put(&route(&name), large(&name), Expected::Absent).await {
            Ok(_) => accepted.push(name),
            Err(error) => break error,
        }
        assert!(accepted.len() < 1000, "the disk is not that large");
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert_eq!((refused.fault(), refused.retry_helps()), (Fault::Operator, true));
    let names = async |store: &EmbeddedStore, order: &[String]| -> Vec<String> {
        let listing = store.list(&Selection::default()).await.unwrap();
        let mut names: Vec<String> = listing.items.into_iter().map(|item| item.key.name).collect();
        names.sort_by_key(|name| order.iter().position(|known| known == name));
        names
    };
    // reads still work, and show accepted changes and nothing else
    assert_eq!(names(&store, &accepted).await, accepted);
    assert_eq!(store.get(&route("first")).await.unwrap().unwrap().version, first);

    // the operator makes room, and the same store goes on
    let mut remount = Command::new("mount");
    assert!(remount.args(["-o", "remount,size=64m"]).arg(place()).status().unwrap().success());
    put(&store, &route("after"), 1).await;
    for name in &accepted[1..] {
        store.delete(&route(name), Expected::Any).await.unwrap();
    }
    drop(store);
    accepted.splice(1.., ["after".to_owned()]);
    assert_eq!(names(&EmbeddedStore::open(&path).await.unwrap(), &accepted).await, accepted);
}

#[tokio::test]
async fn what_was_stored_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = EmbeddedStore::open(&path).await.unwrap();
    put(&store, &route("a"), 1).await;
    put(&store, &route("b"), 1).await;
    store.delete(&route("a"), Expected::Any).await.unwrap();
    let before = store.list(&Selection::default()).await.unwrap();

    let second = EmbeddedStore::open(&path).await.unwrap_err();
    assert!(matches!(second, StoreError::Denied { .. }), "{second}");
    assert!(second.to_string().contains("another process has it open"), "{second}");
    drop(store);
    let store = EmbeddedStore::open(&path).await.unwrap();
    assert_eq!(store.list(&Selection::default()).await.unwrap(), before);
    assert_eq!(put(&store, &route("c"), 1).await, before.revision.next());
    // earlier watchers are told to list again only if something was missed
    assert!(store.watch(before.revision).await.is_ok());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "secrets are in it");
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    for bytes in ["type: Mesh\nname: default\n".repeat(1000).into_bytes(), vec![7; 100], vec![0; 65536]] {
        std::fs::write(&path, &bytes).unwrap();
        let refused = EmbeddedStore::open(&path).await.unwrap_err();
        assert_eq!((refused.fault(), refused.retry_helps()), (Fault::Operator, false), "{refused}");
        assert!(refused.to_string().contains("store.redb"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    let refused = EmbeddedStore::open(folder.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Denied { .. }), "{refused}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_costs_itself_and_stays() {
    const RESOURCES: redb::TableDefinition<(&str, &str, &str), &[u8]> =
        redb::TableDefinition::new("resources");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    put(&EmbeddedStore::open(&path).await.unwrap(), &route("a"), 1).await;
    {
        let database = redb::Database::open(&path).unwrap();
        let writing = database.begin_write().unwrap();
        let mut table = writing.open_table(RESOURCES).unwrap();
        table.insert(("MeshOfTheFuture", "default", "n1"), b"{}".as_slice()).unwrap();
        table.insert(("MeshTCPRoute", "default", "b"), b"no JSON".as_slice()).unwrap();
        drop(table);
        writing.commit().unwrap();
    }
    for repaired in [false, true] {
        let store = EmbeddedStore::open(&path).await.unwrap();
        let listing = store.list(&Selection::default()).await.unwrap();
        let places: Vec<String> = listing.unreadable.iter().map(|it| it.place()).collect();
        let future = "MeshOfTheFuture default/n1";
        match repaired {
            false => assert_eq!(places, [future, "MeshTCPRoute default/b"]),
            true => assert_eq!(places, [future]),
        }
        assert_eq!(listing.items.len(), if repaired { 2 } else { 1 });
        put(&store, &route("b"), 1).await;
        assert_eq!(store.list(&Selection::default()).await.unwrap().unreadable.len(), 1);
    }
}
