//! The store over a real folder: what it finds, and when it wakes.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;

const MESH: &str = "type: Mesh\nname: ";

struct Folder {
    folder: tempfile::TempDir,
    store: FolderStore,
    _watch: Watch,
    wakes: Receiver<()>,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(&[folder.path().to_path_buf()], Options::default()).unwrap();
        let (sender, wakes) = channel();
        let watch = store.watch(move || sender.send(()).unwrap_or_default());
        Self { folder, store, _watch: watch, wakes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Follows the wakes until the names in force are these.
    fn awaits(&mut self, names: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut found = Vec::new();
        while Instant::now() < deadline {
            self.store.refresh(Instant::now());
            if let Settled::Adopted(candidate) = self.store.settle(|c| Ok(c.clone())) {
                found = candidate.resources().map(|it| it.meta.name.to_string()).collect();
            }
            if found == names {
                return;
            }
            let pause = match self.store.look_again_at() {
                Some(at) => at.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(5),
            };
            let _ = self.wakes.recv_timeout(pause);
        }
        panic!("{found:?} is in force, not {names:?}: {:?}", self.store.problems());
    }
}

#[test]
fn what_is_saved_removed_or_renamed_is_seen() {
    let mut folder = Folder::new();
    folder.awaits(&[]);
    std::fs::write(folder.path("a.yaml"), format!("{MESH}one")).unwrap();
    folder.awaits(&["one"]);
    // as editors do
    std::fs::write(folder.path(".a.yaml.new"), format!("{MESH}two")).unwrap();
    std::fs::rename(folder.path(".a.yaml.new"), folder.path("a.yaml")).unwrap();
    folder.awaits(&["two"]);
    std::fs::create_dir(folder.path("below")).unwrap();
    std::fs::write(folder.path("below/b.json"), r#"{"type": "Mesh", "name": "three"}"#).unwrap();
    folder.awaits(&["two", "three"]);
    std::fs::remove_file(folder.path("a.yaml")).unwrap();
    folder.awaits(&["three"]);
    std::fs::remove_dir_all(folder.path("below")).unwrap();
    folder.awaits(&[]);
}

#[test]
fn a_broken_save_keeps_the_last_good_content_and_says_where() {
    let mut folder = Folder::new();
    std::fs::write(folder.path("a.yaml"), format!("{MESH}one")).unwrap();
    folder.awaits(&["one"]);
    std::fs::write(folder.path("a.yaml"), "type: Mesh\n  name: [").unwrap();
    std::fs::write(folder.path("b.yaml"), format!("{MESH}two")).unwrap();
    folder.awaits(&["one", "two"]);
    let problems = folder.store.problems();
    assert!(problems.iter().all(|it| it.position.is_some() && it.source.ends_with("a.yaml")), "{problems:?}");
    assert!(!problems.is_empty());
}

#[test]
fn a_single_file_may_have_any_name_and_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mesh.conf");
    std::fs::write(&path, format!("{MESH}one")).unwrap();
    let mut store = FolderStore::open(std::slice::from_ref(&path), Options::default()).unwrap();
    let (sender, wakes) = channel();
    let watch = store.watch(move || sender.send(()).unwrap_or_default());
    assert_eq!(store.load().candidate.offers.len(), 1);
    let beside = folder.path().join("mesh.conf.new");
    std::fs::write(&beside, format!("{MESH}two\n---\n{MESH}three")).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    wakes.recv_timeout(Duration::from_secs(20)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.load().candidate.offers.len() != 2 {
        assert!(Instant::now() < deadline);
        let _ = wakes.recv_timeout(Duration::from_secs(1));
    }
    drop(watch);
}

#[test]
fn what_does_not_exist_is_no_store() {
    let error = FolderStore::open(&["/nowhere/at/all".into()], Options::default()).err().unwrap();
    assert!(error.to_string().starts_with("/nowhere/at/all: "), "{error}");
}
