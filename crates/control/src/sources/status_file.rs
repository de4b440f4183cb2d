//! Statuses of resources whose documents are files. They are kept in a file of their own, so that nothing is written to
//! files that people edit.
//!
//! ```text
//!  writers of statuses ──put──▶ StatusFile ──▶ disk: one JSON file, replaced as a whole
//!                                    └──▶ Overlay: each resource as its file has it, with its status
//! ```

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use change::{Entry, Ledger};
use model::draft::{Options, parse};
use model::{Kind, ResourceKey};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{plain_file, whole};

/// Pause before a process looks again whether another one has released the file.
const AGAIN: Duration = Duration::from_millis(200);

/// Statuses of resources whose documents are files. Cloning shares them.
#[derive(Clone, Debug)]
pub struct StatusFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    // held to look and to change, and while the file is replaced
    statuses: Mutex<Statuses>,
    /// Number of changes so far.
    changes: watch::Sender<u64>,
    /// Lock held by the process that writes the file; `None`: another one does, or none yet.
    lock: Mutex<Option<File>>,
}

/// Statuses by the keys of their resources, in words.
type Statuses = BTreeMap<String, Value>;

impl StatusFile {
    /// Reads the statuses of a file; empty if it does not exist.
    ///
    /// # Errors
    /// In words: it cannot be read, or has other content.
    pub fn open(path: &Path) -> Result<Self, String> {
        let statuses = Mutex::new(read(path)?);
        let (changes, lock) = (watch::Sender::new(0), Mutex::default());
        Ok(Self(Arc::new(Shared { path: path.to_owned(), statuses, changes, lock })))
    }

    /// Waits until no other process writes the file, and reads what the last one wrote.
    ///
    /// # Errors
    /// In words: it cannot be locked, or not be read any more.
    pub async fn acquire(&self) -> Result<(), String> {
        let Shared { path, lock, .. } = &*self.0;
        let beside = path.with_added_extension("lock");
        let words = |error: std::io::Error| format!("{}: {error}", beside.display());
        let file = File::options().create(true).append(true).open(&beside).map_err(words)?;
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(words(error)),
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::info!(state = %path.display(), "another process writes it: waiting until it is done");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        *lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        let left = read(path)?;
        let mut statuses = self.statuses();
        if *statuses != left {
            *statuses = left;
            self.0.changes.send_modify(|changes| *changes += 1);
        }
        Ok(())
    }

    /// Releases the file to other processes.
    pub fn release(&self) {
        self.0.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Changes whenever a status does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Returns the status of a resource; `null`: it has none.
    pub fn get(&self, key: &ResourceKey) -> Value {
        self.statuses().get(&key.to_string()).cloned().unwrap_or_default()
    }

    /// Sets the status of a resource, `null` for none, if the current one is as `expected`. It takes effect when the
    /// file has it; blocks on the disk. Returns `false` if the current status is another one.
    ///
    /// # Errors
    /// The file cannot be replaced: its content stays.
    pub fn put(&self, key: &ResourceKey, expected: &Value, status: Value) -> std::io::Result<bool> {
        let mut statuses = self.statuses();
        let name = key.to_string();
        let now = statuses.get(&name).unwrap_or(&Value::Null);
        if now != expected {
            return Ok(false);
        }
        if *now == status {
            return Ok(true);
        }
        let mut after = statuses.clone();
        match status {
            Value::Null => after.remove(&name),
            status => after.insert(name, status),
        };
        whole::replace(&self.0.path, format!("{:#}\n", json!({ "statuses": after })).as_bytes())?;
        *statuses = after;
        self.0.changes.send_modify(|changes| *changes += 1);
        Ok(true)
    }

    fn statuses(&self) -> MutexGuard<'_, Statuses> {
        // a change is made in one step, after everything that can fail
        self.0.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<Statuses, String> {
    let text = match plain_file::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Statuses::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let whole: Option<Value> = serde_json::from_slice(&text).ok();
    let statuses = whole.and_then(|whole| Statuses::deserialize(whole.get("statuses")?).ok());
    statuses.ok_or_else(|| format!("{} is damaged, or no file of statuses", path.display()))
}

/// Overlay of statuses over the resources of files.
#[derive(Debug)]
pub(super) struct Overlay {
    file: StatusFile,
    options: Options,
    /// Number of changes when statuses were last laid over.
    seen: u64,
    /// Entries with and without their status: most stay as they are.
    made: BTreeMap<ResourceKey, (Arc<Entry>, Arc<Entry>)>,
}

impl Overlay {
    /// Creates an overlay of the statuses in a file; documents are parsed with `options`.
    pub(super) fn new(file: StatusFile, options: Options) -> Self {
        Self { file, options, seen: 0, made: BTreeMap::new() }
    }

    /// Returns `true` if statuses changed since they were last laid over.
    pub(super) fn is_new(&self) -> bool {
        *self.file.0.changes.borrow() != self.seen
    }

    /// Returns the same resources with their statuses.
    pub(super) fn lay_over(&mut self, ledger: &Ledger) -> Ledger {
        let statuses = self.file.statuses();
        self.seen = *self.file.0.changes.borrow();
        let mut whole = ledger.clone();
        let mut made = BTreeMap::new();
        for (key, entry) in ledger.entries().filter(|(key, _)| key.kind == Kind::MeshTCPRollout) {
            let Some(status) = statuses.get(&key.to_string()) else { continue };
            let is_so = |(before, after): &(Arc<Entry>, Arc<Entry>)| {
                Arc::ptr_eq(before, entry) && after.document.value()["status"] == *status
            };
            let known = self.made.remove(key).filter(is_so).map(|(_, after)| after);
            let Some(after) = known.or_else(|| with_status(entry, status, &self.options)) else { continue };
            whole.put(Arc::clone(&after));
            made.insert(key.clone(), (Arc::clone(entry), after));
        }
        drop(statuses);
        self.made = made;
        whole
    }
}

/// Returns a document with another status; `None`: the status is invalid.
fn with_status(entry: &Entry, status: &Value, options: &Options) -> Option<Arc<Entry>> {
    let mut value = entry.document.value().clone();
    value.as_object_mut()?.insert("status".to_owned(), status.clone());
    let document = entry.document.saying(value);
    let resource = Arc::new(parse(&document, options).resource?);
    Some(Arc::new(Entry { document, resource }))
}

#[cfg(test)]
mod tests {
    use change::Content;

    use super::*;

    const ROLLOUT: &str = "
type: MeshTCPRollout
mesh: default
name: ramp
spec:
  targetRef: {kind: MeshTCPRoute, name: split}
  from: {kind: MeshService, name: redis}
  to: {kind: MeshService, name: redis-v2}
  steps: [{weight: 10}, {weight: 100}]
";

    fn key() -> ResourceKey {
        ResourceKey::new(Kind::MeshTCPRollout, "default", "ramp")
    }

    #[test]
    fn a_status_stands_beside_its_document_and_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let content = Content::read("ramp.yaml", ROLLOUT.as_bytes(), &Options::default());
        let ledger: Ledger = content.entries.into_iter().collect();
        let file = StatusFile::open(&path).unwrap();
        let mut overlay = Overlay::new(file.clone(), Options::default());
        let as_written = overlay.lay_over(&ledger);
        assert!(Arc::ptr_eq(as_written.get(&key()).unwrap(), ledger.get(&key()).unwrap()));
        let ten = json!({ "weight": 10 });
        assert!(file.put(&key(), &Value::Null, ten.clone()).unwrap());
        assert!(!file.put(&key(), &Value::Null, json!({ "weight": 20 })).unwrap(), "somebody was faster");
        assert!(overlay.is_new());
        let mut again = Overlay::new(StatusFile::open(&path).unwrap(), Options::default());
        for overlay in [&mut overlay, &mut again] {
            let whole = overlay.lay_over(&ledger);
            let entry = whole.get(&key()).unwrap();
            let model::Spec::Rollout(rollout) = entry.resource.spec() else { panic!("no rollout") };
            assert_eq!(rollout.in_force, Some(model::policy::Percent::whole(10)));
            assert!(!overlay.is_new());
            // an unchanged entry is shared
            assert!(Arc::ptr_eq(overlay.lay_over(&ledger).get(&key()).unwrap(), entry));
        }
        assert!(file.put(&key(), &ten, Value::Null).unwrap());
        assert!(overlay.lay_over(&ledger).get(&key()).unwrap().document.value().get("status").is_none());
    }

    #[tokio::test]
    async fn one_process_writes_and_the_next_goes_on_from_what_it_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (first, second) = (StatusFile::open(&path).unwrap(), StatusFile::open(&path).unwrap());
        first.acquire().await.unwrap();
        let waits = second.acquire();
        tokio::pin!(waits);
        assert!(tokio::time::timeout(AGAIN * 2, waits.as_mut()).await.is_err(), "the first one has it");
        first.put(&key(), &Value::Null, json!({ "weight": 10 })).unwrap();
        first.release();
        waits.await.unwrap();
        assert_eq!(second.get(&key()), json!({ "weight": 10 }));
    }

    #[test]
    fn what_is_damaged_is_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        for text in ["", "{", "{}", "[]", "{\"statuses\": 1}"] {
            std::fs::write(&path, text).unwrap();
            assert!(StatusFile::open(&path).unwrap_err().contains("is damaged"), "{text}");
        }
        assert!(StatusFile::open(folder.path()).unwrap_err().contains("cannot be read"));
    }
}
