//! What only the store in one file has to stand: kill -9, a full disk, a second process, files that are none of ours.
//!
//! What has to be killed or mounted runs in a child: this test program again, told by the environment what to do.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use meshtcp_control::store::{EmbeddedStore, Expected, Fault, Selection, Store, StoreError};

use super::history::{Event, Tell, Work, check};
use super::promises::{document, put, route};

/// Where a child finds its store.
pub(crate) const PLACE: &str = "MESHTCP_TEST_STORE";

/// This program, to run one of its tests as a child.
pub(crate) fn child(test: &str, place: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env(PLACE, place);
    command
}

pub(crate) fn place() -> PathBuf {
    std::env::var_os(PLACE).expect("only run as a child of another test").into()
}

#[tokio::test]
async fn what_was_accepted_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let mut events: Vec<Event> = Vec::new();
    for round in 0..6 {
        let mut command = child("embedded::writes_until_it_is_killed", &path);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut told = 0;
        for line in lines {
            // a last line that was cut by the kill says nothing
            let Some(event) = parse(&line.unwrap()) else { continue };
            events.push(event);
            told += 1;
            if told == 25 + round * 13 {
                // SIGKILL, in the middle of whatever the writers do
                process.kill().unwrap();
            }
        }
        assert!(!process.wait().unwrap().success(), "it was to be killed");
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
    let tell: Tell = Arc::new(|event| {
        // one write a line: a line is there or not
        let line = format!("{}\n", print(&event));
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    });
    let _work = Work::start(&[store], 4, 2, &tell);
    std::future::pending::<()>().await;
}

pub(crate) fn print(event: &Event) -> String {
    match event {
        Event::Accepted { revision, name, value } => format!("accepted {revision} {name} {value} ."),
        Event::Listed { watcher, revision } => format!("listed {watcher} {revision} ."),
        Event::Saw { watcher, revision, name, value } => format!("saw {watcher} {revision} {name} {value} ."),
    }
}

pub(crate) fn parse(line: &str) -> Option<Event> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |text: &str| text.parse::<u64>().unwrap();
    Some(match words.as_slice() {
        ["accepted", revision, name, value, "."] => {
            Event::Accepted { revision: number(revision), name: (*name).into(), value: number(value) }
        }
        ["listed", watcher, revision, "."] => {
            Event::Listed { watcher: number(watcher) as usize, revision: number(revision) }
        }
        ["saw", watcher, revision, name, value, "."] => Event::Saw {
            watcher: number(watcher) as usize,
            revision: number(revision),
            name: (*name).into(),
            value: number(value),
        },
        _ => return None,
    })
}

#[test]
fn a_full_disk_is_told_and_nothing_accepted_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let child = child("embedded::fills_its_disk", folder.path());
    // in a mount namespace of its own, so that the small disk is gone with the process
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let script = format!("mount -t tmpfs -o size=4m small \"${PLACE}\" && exec \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.arg(child.get_program()).args(child.get_args()).env(PLACE, folder.path());
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
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
    // readers are served on, and see what was accepted and nothing else
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
    // who watched before is told to list again only when something was missed
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
