//! Store of plain files in a folder, one per resource, which people may edit too: for a single control plane.
//!
//! ```text
//!  FOLDER/.lock                            held by the one process that has it open
//!  FOLDER/.revision                        an upper bound of all revisions so far
//!  FOLDER/.history/…                       history of changes over the API: author and time
//!  FOLDER/Mesh.shop.yaml                   a resource of global scope
//!  FOLDER/shop/MeshTCPRoute.canary.yaml    a resource of the mesh `shop`
//! ```
//!
//! A change is answered when its file is on the disk under its name, which it gets atomically. The first line of a file
//! that was written here contains its version and a hash of the content: a file that people have changed since is
//! recognised by it, and becomes a new version. Everything is in memory too: reads work while the disk does not, and
//! changes wait for it only so long.

mod disk;
mod history;
mod place;
mod text;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use disk::Disk;
use jiff::Timestamp;
use model::ResourceKey;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};

use super::contents::{Contents, Proposal, apart};
use super::memory::Shared;
use super::turns::Turns;
use super::{
    Expected, HistoryEntry, Listing, Put, PutResult, Revision, Selection, Store, StoreChangeKind, StoreError,
    Watch,
};
use crate::guard::task_again;

/// Interval at which files are checked for edits. A file that looks the same twice is taken in.
const LOOK: Duration = Duration::from_millis(500);
/// Number of times that a pause is longer than the look before it, at least: a folder of 100,000 files takes a tenth of a
/// processor, and not a half.
const REST: u32 = 9;
/// Longest pause, also after a disk that did not answer for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Store of plain files in a folder.
#[derive(Clone, Debug)]
pub struct PlainStore {
    inner: Arc<Inner>,
    looks: Arc<EditWatch>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    shared: Arc<Shared>,
    /// A turn lasts while one change is written or looked for.
    disk: Turns<Disk>,
}

/// Task that looks for edits, as long as this lives.
#[derive(Debug)]
struct EditWatch(AbortHandle);

impl Drop for EditWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl PlainStore {
    /// Opens a folder, or creates it. Files whose names begin with a dot, or do not end in `.yaml` or `.yml`, are
    /// ignored. Created files can be read by the user of the process only: resources may be secrets.
    ///
    /// # Errors
    /// [`StoreError::Denied`]: it cannot be created or read, or another process has it open. [`StoreError::Damaged`]:
    /// its counter is no number. [`StoreError::Full`]. A file that is no resource, or repeats another one, is no error:
    /// a listing names it.
    pub async fn open(folder: impl AsRef<Path>) -> Result<Self, StoreError> {
        let folder = folder.as_ref().to_owned();
        let (disk, loaded) = aside(&folder, {
            let folder = folder.clone();
            move || Disk::open(&folder)
        })
        .await?;
        let shared = Arc::new(Shared::new(Contents::new(loaded.revision, loaded.items, loaded.unreadable)));
        let disk = Turns::new(disk::in_words(&folder), disk);
        let inner = Arc::new(Inner { folder, shared, disk });
        let looks = Arc::new(EditWatch(tokio::spawn(follow(Arc::downgrade(&inner))).abort_handle()));
        Ok(Self { inner, looks })
    }

    /// Runs one write on a thread for blocking work. Once begun it completes, even if the caller does not wait for it.
    async fn write<R: Send + 'static>(
        &self,
        write: impl FnOnce(&Shared, &mut Disk) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let Self { inner, looks } = self.clone();
        let disk = inner.disk.clone();
        disk.take(move |disk| {
            let written = write(&inner.shared, disk);
            drop(looks);
            written
        })
        .await
    }
}

impl Inner {
    /// Takes in edits that have settled.
    fn look(&self, disk: &mut Disk) {
        for edit in disk.edits() {
            take_in(&self.shared, disk, edit);
        }
    }
}

/// Turns an edit into a change.
fn take_in(shared: &Shared, disk: &mut Disk, edit: disk::Edit) {
    let revision = shared.contents().revision().next();
    if let Err(error) = disk.reserve(revision) {
        tracing::warn!(%error, "what was changed by hand is taken in later");
        return;
    }
    let path = edit.path().to_owned();
    // no lock is held while the disk is read: whoever reads the contents does not wait for it
    let change = disk.change(edit, revision, |key| shared.contents().get(key).cloned());
    shared.contents().note_file(&disk.name(&path), disk.unusable(&path));
    if let Some(change) = change {
        shared.make(change);
    }
}

async fn follow(store: Weak<Inner>) {
    task_again("store-watcher", || look_again_and_again(Weak::clone(&store))).await;
}

/// Looks as long as the store exists, without keeping the folder open.
async fn look_again_and_again(store: Weak<Inner>) {
    let mut pause = LOOK;
    loop {
        tokio::time::sleep(pause).await;
        let Some(inner) = store.upgrade() else { return };
        let (disk, begin) = (inner.disk.clone(), Instant::now());
        disk.take_patiently(move |disk| inner.look(disk)).await;
        pause = pause_after(begin.elapsed());
    }
}

/// Returns the pause after a look that took so long.
fn pause_after(look: Duration) -> Duration {
    LOOK.max(look.saturating_mul(REST)).min(LONGEST_PAUSE)
}

#[async_trait]
impl Store for PlainStore {
    async fn get(&self, key: &ResourceKey) -> Result<Option<super::Stored>, StoreError> {
        Ok(self.inner.shared.contents().get(key).cloned())
    }

    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError> {
        Ok(self.inner.shared.contents().list(selection))
    }

    async fn put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
    ) -> Result<PutResult, StoreError> {
        let key = key.clone();
        self.write(move |shared, disk| {
            if let Some(edit) = disk.edit_of(&key)? {
                take_in(shared, disk, edit);
            }
            let proposal = shared.contents().propose_put(&key, document, expected, Timestamp::now());
            let Proposal { written, change } = proposal?;
            if let Some(change) = change {
                if let StoreChangeKind::Put(stored) = &change.what {
                    disk.reserve(change.revision)?;
                    disk.write(stored)?;
                }
                shared.make(change);
            }
            Ok(written)
        })
        .await
    }

    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError> {
        self.write(move |shared, disk| {
            // unfinished edits are found before anything is written
            for put in &puts {
                if let Some(edit) = disk.edit_of(&put.key)? {
                    take_in(shared, disk, edit);
                }
            }
            let proposals = shared.contents().propose_all(puts, Timestamp::now());
            let (written, changes) = apart(proposals?);
            if let Some(last) = changes.last() {
                disk.reserve(last.revision)?;
            }
            let mut on_disk = Vec::new();
            let mut failed = Ok(());
            for change in changes {
                if let StoreChangeKind::Put(stored) = &change.what {
                    failed = disk.write(stored);
                }
                if failed.is_err() {
                    break;
                }
                on_disk.push(change);
            }
            // documents that were written stay, even if others failed
            shared.make_all(on_disk);
            failed.map(|()| written)
        })
        .await
    }

    async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError> {
        let key = key.clone();
        self.write(move |shared, disk| {
            if let Some(edit) = disk.edit_of(&key)? {
                take_in(shared, disk, edit);
            }
            let change = shared.contents().propose_delete(&key, expected)?;
            let revision = change.revision;
            disk.reserve(revision)?;
            disk.remove(&key)?;
            shared.make(change);
            Ok(revision)
        })
        .await
    }

    async fn remember(&self, changes: Vec<HistoryEntry>) -> Result<(), StoreError> {
        let folder = self.inner.folder.clone();
        self.write(move |_, _| changes.iter().try_for_each(|past| history::remember(&folder, past))).await
    }

    async fn past(&self, key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
        let (folder, key) = (self.inner.folder.clone(), key.clone());
        self.write(move |_, _| history::past(&folder, &key)).await
    }

    async fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        self.inner.shared.watch(after)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.inner.shared.contents().revision())
    }

    fn describe(&self) -> String {
        disk::in_words(&self.inner.folder)
    }

    fn leads(&self) -> watch::Receiver<bool> {
        self.inner.shared.leads()
    }
}

/// Runs blocking work on a thread for it.
async fn aside<R: Send + 'static>(
    folder: &Path,
    work: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(StoreError::Lost { store: disk::in_words(folder), why: "reading it ended in a panic".into() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_takes_long_to_look_through_is_looked_through_less_often() {
        assert_eq!(pause_after(Duration::from_millis(3)), LOOK);
        assert_eq!(pause_after(Duration::from_millis(240)), Duration::from_millis(2160));
        assert_eq!(pause_after(Duration::from_secs(60)), LONGEST_PAUSE);
    }
}
