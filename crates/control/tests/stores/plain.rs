//! Tests of the store in plain files only: kill -9, a full disk, a second process, and edits by people.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use meshtcp_control::store::{
    Expected, Fault, PlainStore, Selection, Store, StoreChange, StoreChangeKind, StoreError, Watch,
};
use tokio::time::timeout;

use super::child::{killed_after, place, succeeds_on_a_disk_of, tell};
use super::history::{Event, Work, check};
use super::promises::{document, put, route};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_was_accepted_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut events: Vec<Event> = Vec::new();
    for round in 0..4 {
        events.extend(killed_after(25 + round * 13, "plain::writes_until_it_is_killed", &path));
        let store = PlainStore::open(&path).await.unwrap();
        check(&events, &store.list(&Selection::default()).await.unwrap());
    }
    assert!(events.iter().any(|event| matches!(event, Event::Accepted { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "a child of another test"]
async fn writes_until_it_is_killed() {
    let store: Arc<dyn Store> = Arc::new(opened(&place()).await);
    let _work = Work::start(&[store], 4, 2, &tell());
    std::future::pending::<()>().await;
}

#[test]
fn a_full_disk_is_told_and_nothing_accepted_is_lost() {
    succeeds_on_a_disk_of(2, "plain::fills_its_disk");
}

#[tokio::test]
#[ignore = "a child of another test"]
async fn fills_its_disk() {
    let path = place().join("store");
    let store = PlainStore::open(&path).await.unwrap();
    put(&store, &route("first"), 1).await;
    let mut accepted = 0;
    let refused = loop {
        let key = route(&format!("large-{accepted}"));
        let mut large = document(&key, 1);
        large["spec"]["padding"] = "x".repeat(100_000).into();
        match store.put(&key, large, Expected::Absent).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 1000, "the disk is not that large");
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert_eq!((refused.fault(), refused.retry_helps()), (Fault::Operator, true));
    assert!(refused.to_string().contains("there is no room"), "{refused}");
    let count = async |store: &PlainStore| store.list(&Selection::default()).await.unwrap().items.len();
    assert_eq!(count(&store).await, accepted + 1, "readers see what was accepted and nothing else");
    // a removal needs no room, and makes some
    store.delete(&route("large-0"), Expected::Any).await.unwrap();
    put(&store, &route("after"), 1).await;
    drop(store);
    assert_eq!(count(&opened(&path).await).await, accepted + 1);
}

/// Opens a folder that was just closed: a running look at it may not have ended yet.
async fn opened(path: &Path) -> PlainStore {
    let open = async {
        loop {
            match PlainStore::open(path).await {
                Ok(store) => return store,
                Err(error) if error.to_string().contains("another process") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, open).await.unwrap()
}

#[tokio::test]
async fn what_was_stored_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = PlainStore::open(&path).await.unwrap();
    put(&store, &route("a"), 1).await;
    put(&store, &route("b"), 1).await;
    let removed = store.delete(&route("a"), Expected::Any).await.unwrap();
    let before = store.list(&Selection::default()).await.unwrap();
    let second = PlainStore::open(&path).await.unwrap_err();
    assert!(matches!(second, StoreError::Denied { .. }), "{second}");
    assert!(second.to_string().contains("another process has it open"), "{second}");
    drop(store);
    let store = opened(&path).await;
    assert_eq!(store.list(&Selection::default()).await.unwrap().items, before.items);
    assert!(put(&store, &route("c"), 1).await > removed, "a revision is never given twice");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let file = path.join("default/MeshTCPRoute.b.yaml");
    assert_eq!((mode(&path), mode(&file)), (0, 0), "secrets are in it");
}

async fn next(watch: &mut Watch) -> StoreChange {
    let mut changes = timeout(PATIENCE, watch.next()).await.expect("the edit is seen").unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    changes.remove(0)
}

#[tokio::test]
async fn what_people_edit_is_a_change_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = PlainStore::open(&path).await.unwrap();
    let version = put(&store, &route("a"), 1).await;
    let file = path.join("default/MeshTCPRoute.a.yaml");
    let mut watch = store.watch(version).await.unwrap();
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    };
    // an edit by hand is a new version: a put that expects the old one is refused
    edit("name: a", "name: a\nlabels: {by: hand}");
    let change = next(&mut watch).await;
    assert!(change.revision > version);
    let StoreChangeKind::Put(stored) = change.what else { panic!("it was changed") };
    assert_eq!(stored.document["labels"]["by"], "hand");
    let late = store.put(&route("a"), document(&route("a"), 2), Expected::Version(version)).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    // also an edit that has not been looked at yet
    edit("by: hand", "by: foot");
    let late = store.put(&route("a"), document(&route("a"), 2), Expected::Version(stored.version)).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    assert_eq!(store.get(&route("a")).await.unwrap().unwrap().document["labels"]["by"], "foot");
    next(&mut watch).await;

    // an unreadable edit changes nothing, and is not overwritten
    edit("by: foot", "by: [foot");
    let held = store.put(&route("a"), document(&route("a"), 2), Expected::Any).await.unwrap_err();
    assert!(held.to_string().contains("MeshTCPRoute.a.yaml was changed by hand"), "{held}");
    assert_eq!(store.get(&route("a")).await.unwrap().unwrap().document["labels"]["by"], "foot");
    edit("by: [foot", "by: wire");
    let StoreChangeKind::Put(stored) = next(&mut watch).await.what else { panic!("it was changed") };
    assert_eq!(stored.document["labels"]["by"], "wire");

    // a resource in a file with a name chosen by people stays there
    let own = path.join("mine.yml");
    std::fs::write(&own, "# mine\ntype: Mesh\nname: shop\n").unwrap();
    let StoreChangeKind::Put(stored) = next(&mut watch).await.what else { panic!("it is new") };
    let mut changed = stored.document.clone();
    changed["labels"] = serde_json::json!({ "by": "api" });
    store.put(&stored.key, changed, Expected::Version(stored.version)).await.unwrap();
    next(&mut watch).await;
    assert!(std::fs::read_to_string(&own).unwrap().contains("by: api"));
    std::fs::remove_file(&own).unwrap();
    assert_eq!(next(&mut watch).await.what, StoreChangeKind::Deleted);
}

#[tokio::test]
async fn a_folder_that_is_away_or_another_one_keeps_what_is_known_and_is_not_written_to() {
    let outer = tempfile::tempdir().unwrap();
    let (path, away) = (outer.path().join("store"), outer.path().join("away"));
    let store = PlainStore::open(&path).await.unwrap();
    let version = put(&store, &route("a"), 1).await;
    let mut watch = store.watch(version).await.unwrap();
    std::fs::rename(&path, &away).unwrap();
    for emptied in [false, true] {
        if emptied {
            std::fs::create_dir(&path).unwrap();
        }
        let refused = store.put(&route("b"), document(&route("b"), 1), Expected::Absent).await.unwrap_err();
        assert!(refused.retry_helps(), "{refused}");
        store.put(&route("a"), document(&route("a"), 2), Expected::Any).await.unwrap_err();
        store.delete(&route("a"), Expected::Any).await.unwrap_err();
        assert!(timeout(Duration::from_secs(2), watch.next()).await.is_err(), "nothing was deleted");
        assert!(store.get(&route("a")).await.unwrap().is_some());
    }
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&away, &path).unwrap();
    put(&store, &route("c"), 1).await;
    assert!(matches!(next(&mut watch).await.what, StoreChangeKind::Put(stored) if stored.key == route("c")));
    std::fs::remove_file(path.join("default/MeshTCPRoute.a.yaml")).unwrap();
    assert_eq!(next(&mut watch).await.what, StoreChangeKind::Deleted);
}

/// Writes files by hand, each after the previous one was taken in; checks that nothing else is seen meanwhile.
async fn writes(folder: &Path, names: &[&str], watch: &mut Watch) {
    for name in names {
        std::fs::write(folder.join(format!("{name}.yaml")), format!("type: Mesh\nname: {name}\n")).unwrap();
        let StoreChange { key, what, .. } = next(watch).await;
        assert_eq!(key.name, *name);
        assert!(matches!(what, StoreChangeKind::Put(_)));
    }
}

#[tokio::test]
async fn a_file_that_is_emptied_or_moved_or_whose_link_leads_nowhere_is_no_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = PlainStore::open(&path).await.unwrap();
    put(&store, &route("a"), 1).await;
    let last = put(&store, &route("b"), 1).await;
    let mut watch = store.watch(last).await.unwrap();
    let [a, b] = ["a", "b"].map(|name| path.join(format!("default/MeshTCPRoute.{name}.yaml")));
    std::fs::write(&a, "").unwrap();
    let below = path.join("default/below");
    std::fs::create_dir(&below).unwrap();
    std::fs::rename(&b, below.join("b.yaml")).unwrap();
    // a change made of that would come before the second of these
    writes(&path, &["one", "two"], &mut watch).await;
    std::fs::remove_file(&a).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", &a).unwrap();
    writes(&path, &["three", "four"], &mut watch).await;
    std::fs::remove_file(below.join("b.yaml")).unwrap();
    assert!(
        matches!(next(&mut watch).await, StoreChange { key, what: StoreChangeKind::Deleted, .. } if key == route("b"))
    );
}

#[tokio::test]
async fn what_makes_no_sense_in_a_folder_is_named_and_left_alone() {
    for (files, why) in [
        (vec![("a.yaml", "type: Mesh\nname: [")], "a.yaml"),
        (
            vec![("a.yaml", "type: Mesh\nname: x\n"), ("b.yaml", "type: Mesh\nname: x\n")],
            "Mesh x is in a.yaml already",
        ),
        (vec![("a.yaml", "type: Mesh\nname: x\n---\ntype: Mesh\nname: y\n")], "2 resources"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let store = PlainStore::open(folder.path()).await.unwrap();
        let unreadable = store.list(&Selection::default()).await.unwrap().unreadable;
        assert!(unreadable.len() == 1 && unreadable[0].why.contains(why), "{unreadable:?}");
        for (name, text) in &files {
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), *text);
        }
    }
    for (files, why) in [(vec![(".revision", "many")], ".revision")] {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let refused = PlainStore::open(folder.path()).await.unwrap_err();
        assert_eq!((refused.fault(), refused.retry_helps()), (Fault::Operator, false), "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
        for (name, text) in &files {
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), *text);
        }
    }
}

#[tokio::test]
async fn what_is_no_file_is_stepped_over_and_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let store = PlainStore::open(path).await.unwrap();
    put(&store, &route("first"), 1).await;
    drop(store);
    let fifo = |name: &str| {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, path.join(name), mode).unwrap();
    };
    fifo("x.yaml");
    std::os::unix::fs::symlink("/dev/zero", path.join("device.yaml")).unwrap();
    std::fs::File::create(path.join("huge.yaml")).unwrap().set_len(3 << 30).unwrap();
    let store = timeout(PATIENCE, opened(path)).await.unwrap();
    timeout(PATIENCE, put(&store, &route("second"), 1)).await.unwrap();
    let listing = store.list(&Selection::default()).await.unwrap();
    let mesh = listing.items[0].key.mesh.clone().unwrap_or_default();
    let third = route("third");
    fifo(&format!("{mesh}/{}.third.yaml", third.kind));
    let error =
        timeout(PATIENCE, store.put(&third, document(&third, 1), Expected::Any)).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("is in the way: it is a FIFO"), "{error}");
    assert_eq!(store.list(&Selection::default()).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_file_that_is_no_resource_costs_itself_and_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let half = "type: MeshTCPRoute\nmesh: default\nname: b\nspec: [   # half an edit\n";
    {
        let store = PlainStore::open(&path).await.unwrap();
        put(&store, &route("a"), 1).await;
        put(&store, &route("b"), 1).await;
    }
    let file = path.join("default/MeshTCPRoute.b.yaml");
    std::fs::write(&file, half).unwrap();
    std::fs::write(path.join("default/future.yaml"), "type: MeshOfTheFuture\nmesh: default\nname: n1\n")
        .unwrap();
    let store = PlainStore::open(&path).await.unwrap();
    let listing = store.list(&Selection::default()).await.unwrap();
    let names: Vec<&str> = listing.items.iter().map(|it| it.key.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    let mut unreadable: Vec<String> = listing.unreadable.iter().map(|it| it.place()).collect();
    unreadable.sort();
    assert_eq!(unreadable, ["default/MeshTCPRoute.b.yaml", "default/future.yaml"]);
    let refused = store.put(&route("b"), document(&route("b"), 2), Expected::Any).await.unwrap_err();
    assert!(refused.to_string().contains("was changed by hand"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), half);
    put(&store, &route("c"), 1).await;

    std::fs::write(&file, "type: MeshTCPRoute\nmesh: default\nname: b\nspec: {value: 3}\n").unwrap();
    put(&store, &route("b"), 4).await;
    let unreadable = store.list(&Selection::default()).await.unwrap().unreadable;
    assert_eq!(unreadable.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["default/future.yaml"]);
}

#[tokio::test]
async fn an_edit_that_was_seen_and_is_not_done_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = PlainStore::open(&path).await.unwrap();
    put(&store, &route("a"), 1).await;
    let (file, half) = (path.join("default/MeshTCPRoute.a.yaml"), "spec: [   # my half-finished edit");
    std::fs::write(&file, half).unwrap();
    // long enough for it to be seen twice
    tokio::time::sleep(Duration::from_secs(3)).await;
    for refused in [
        store.put(&route("a"), document(&route("a"), 2), Expected::Any).await.unwrap_err(),
        store.delete(&route("a"), Expected::Any).await.unwrap_err(),
    ] {
        let refused = refused.to_string();
        assert!(refused.contains("MeshTCPRoute.a.yaml was changed by hand"), "{refused}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), half);
    assert_eq!(store.get(&route("a")).await.unwrap().unwrap().document, document(&route("a"), 1));
}
