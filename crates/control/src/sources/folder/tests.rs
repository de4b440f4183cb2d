//! Tests of the source over a real folder: what it finds, and when it wakes.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;

const MESH: &str = "type: Mesh\nname: ";

struct Folder {
    folder: tempfile::TempDir,
    store: FolderSource,
    _watch: Watch,
    wakes: Receiver<()>,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderSource::open(&[folder.path().to_path_buf()], Options::default()).unwrap();
        let (sender, wakes) = channel();
        let watch = store.watch(move || sender.send(()).unwrap_or_default());
        Self { folder, store, _watch: watch, wakes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Follows the wakes until exactly these names are in force.
    fn awaits(&mut self, names: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut found = Vec::new();
        while Instant::now() < deadline {
            self.store.refresh(Instant::now());
            self.store.settle(&mut |candidate| {
                found = candidate.ledger.resources().map(|it| it.meta().name.to_string()).collect();
                Ok(())
            });
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
    folder.awaits(&["three", "two"]);
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
    let mut store = FolderSource::open(std::slice::from_ref(&path), Options::default()).unwrap();
    let (sender, wakes) = channel();
    let watch = store.watch(move || sender.send(()).unwrap_or_default());
    assert_eq!(store.load().ledger.len(), 1);
    let beside = folder.path().join("mesh.conf.new");
    std::fs::write(&beside, format!("{MESH}two\n---\n{MESH}three")).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    wakes.recv_timeout(Duration::from_secs(20)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.load().ledger.len() != 2 {
        assert!(Instant::now() < deadline);
        let _ = wakes.recv_timeout(Duration::from_secs(1));
    }
    drop(watch);
}

/// Source with a clock that only moves on demand.
struct Slow {
    /// Folder that contains the followed one.
    outer: tempfile::TempDir,
    store: FolderSource,
    now: Instant,
}

impl Slow {
    fn new(files: &[(&str, &str)]) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("mesh");
        for (name, mesh) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{MESH}{mesh}")).unwrap();
        }
        let store = FolderSource::open(&[root], Options::default()).unwrap();
        Self { outer, store, now: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.outer.path().join(name)
    }

    /// Looks twice, with more than all doubt in between, and returns the names in force.
    fn in_force(&mut self) -> Vec<String> {
        for _ in 0..2 {
            self.now += files::DOUBT;
            self.store.refresh(self.now);
        }
        let mut found = Vec::new();
        let settled = self.store.settle(&mut |candidate| {
            found = candidate.ledger.resources().map(|it| it.meta().name.to_string()).collect();
            Ok(())
        });
        assert_eq!(settled, OfferOutcome::Adopted);
        found
    }

    fn messages(&self) -> Vec<String> {
        self.store.problems().iter().map(|it| format!("{}: {}", it.source, it.violation.message)).collect()
    }
}

#[test]
fn a_root_that_is_away_keeps_what_was_read_and_says_so() {
    let mut slow = Slow::new(&[("a.yaml", "one"), ("below/b.yaml", "two")]);
    assert_eq!(slow.in_force(), ["one", "two"]);
    let (here, away) = (slow.path("mesh"), slow.path("away"));
    std::fs::rename(&here, &away).unwrap();
    assert_eq!(slow.in_force(), ["one", "two"]);
    assert_eq!(slow.messages(), [format!("{}: cannot be read: it is gone", here.display())]);
    std::fs::write(away.join("a.yaml"), format!("{MESH}three")).unwrap();
    std::fs::remove_file(away.join("below/b.yaml")).unwrap();
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(slow.in_force(), ["three"]);
    assert_eq!(slow.messages(), [""; 0]);
}

#[test]
fn a_root_that_is_away_for_a_moment_is_not_worth_a_word() {
    let mut slow = Slow::new(&[("a.yaml", "one")]);
    slow.in_force();
    std::fs::rename(slow.path("mesh"), slow.path("away")).unwrap();
    slow.store.refresh(slow.now);
    assert_eq!(slow.messages(), [""; 0]);
    assert_eq!(slow.store.look_again_at(), Some(slow.now + files::DOUBT));
}

#[test]
fn an_empty_folder_in_the_place_of_the_root_is_not_believed_and_a_full_one_is() {
    let mut slow = Slow::new(&[("a.yaml", "one")]);
    slow.in_force();
    std::fs::rename(slow.path("mesh"), slow.path("unmounted")).unwrap();
    std::fs::create_dir(slow.path("mesh")).unwrap();
    assert_eq!(slow.in_force(), ["one"]);
    assert!(slow.messages()[0].contains("not mounted"), "{:?}", slow.messages());
    std::fs::write(slow.path("mesh/b.yaml"), format!("{MESH}two")).unwrap();
    assert_eq!(slow.in_force(), ["two"]);
    assert_eq!(slow.messages(), [""; 0]);
}

#[test]
fn files_and_folders_that_are_deleted_take_their_resources_along() {
    let mut slow = Slow::new(&[("a.yaml", "one"), ("below/b.yaml", "two")]);
    slow.in_force();
    std::fs::remove_dir_all(slow.path("mesh/below")).unwrap();
    assert_eq!(slow.in_force(), ["one"]);
    std::fs::remove_file(slow.path("mesh/a.yaml")).unwrap();
    assert_eq!(slow.in_force(), [""; 0]);
    assert_eq!(slow.messages(), [""; 0]);
}

#[test]
fn a_link_whose_target_is_away_keeps_what_was_read() {
    let mut slow = Slow::new(&[("a.yaml", "one")]);
    let target = slow.path("volume");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("b.yaml"), format!("{MESH}two")).unwrap();
    std::os::unix::fs::symlink(target.join("b.yaml"), slow.path("mesh/b.yaml")).unwrap();
    std::os::unix::fs::symlink(target.join("none.yaml"), slow.path("mesh/none.yaml")).unwrap();
    assert_eq!(slow.in_force(), ["one", "two"]);
    assert_eq!(slow.messages(), [""; 0]);
    std::fs::rename(&target, slow.path("unmounted")).unwrap();
    assert_eq!(slow.in_force(), ["one", "two"]);
    assert_eq!(slow.messages().len(), 1);
    std::fs::remove_file(slow.path("mesh/b.yaml")).unwrap();
    assert_eq!(slow.in_force(), ["one"]);
}

#[test]
fn a_file_on_its_own_that_is_away_keeps_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mesh.yaml");
    std::fs::write(&path, format!("{MESH}one")).unwrap();
    let store = FolderSource::open(std::slice::from_ref(&path), Options::default()).unwrap();
    let mut slow = Slow { outer: folder, store, now: Instant::now() };
    slow.in_force();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(slow.in_force(), ["one"]);
    assert_eq!(slow.messages().len(), 1);
}

#[test]
fn a_real_file_that_is_emptied_keeps_what_it_had() {
    for nothing in ["", "\n", "# type: Mesh\n", "---\n", "null\n", "[]\n", "{}\n", "\0\0\0\0"] {
        let mut slow = Slow::new(&[("a.yaml", "one")]);
        slow.in_force();
        std::fs::write(slow.path("mesh/a.yaml"), nothing).unwrap();
        assert_eq!(slow.in_force(), ["one"], "{nothing:?}");
        assert_eq!(slow.messages().len(), 1, "{nothing:?}: {:?}", slow.messages());
    }
}

#[test]
fn what_does_not_exist_is_no_store() {
    let error = FolderSource::open(&["/nowhere/at/all".into()], Options::default()).err().unwrap();
    assert!(error.to_string().starts_with("/nowhere/at/all: "), "{error}");
}

#[test]
fn what_is_no_file_is_stepped_over_with_a_word() {
    let mut folder = Folder::new();
    std::fs::write(folder.path("a.yaml"), format!("{MESH}one")).unwrap();
    let odd = crate::plain_file::tests::put_odd_things(folder.folder.path());
    std::os::unix::fs::symlink("/dev/zero", folder.path("not-called-so")).unwrap();
    folder.awaits(&["one"]);
    let problems = folder.store.problems();
    let told: Vec<_> =
        problems.iter().map(|problem| problem.source.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(told, odd, "{problems:?}");
    assert!(!problems.has_errors(), "{problems:?}");
}

#[test]
fn what_was_a_file_and_is_none_any_more_keeps_what_it_said() {
    let mut folder = Folder::new();
    std::fs::write(folder.path("fifo.yaml"), format!("{MESH}one")).unwrap();
    folder.awaits(&["one"]);
    std::fs::remove_file(folder.path("fifo.yaml")).unwrap();
    crate::plain_file::tests::put_odd_things(folder.folder.path());
    std::fs::write(folder.path("b.yaml"), format!("{MESH}two")).unwrap();
    folder.awaits(&["one", "two"]);
    std::thread::sleep(2 * files::DOUBT);
    folder.awaits(&["one", "two"]);
}
