//! Embedded store: resources in one crash-safe file on disk, for a single control plane.
//!
//! Everything is read into memory when the file is opened; then the file is only written. A change is answered when it
//! is on the disk; who asks for one waits only so long. The file belongs to one process at a time.

mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use file::File;
use jiff::Timestamp;
use model::ResourceKey;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::contents::{Contents, Proposal, apart};
use super::memory::Shared;
use super::turns::Turns;
use super::{
    Expected, HistoryEntry, Listing, Put, PutResult, Revision, Selection, Store, StoreChange, StoreError,
    Stored, Watch,
};

/// Store in one file on disk.
#[derive(Clone, Debug)]
pub struct EmbeddedStore {
    path: PathBuf,
    shared: Arc<Shared>,
    /// A turn lasts while one change is written.
    writer: Turns<Writer>,
}

/// State of the writer.
#[derive(Debug)]
enum Writer {
    /// The file is consistent with the contents.
    Ready(File),
    /// Writing failed; the file has to be reopened, which shows whether these changes are in it.
    Failed(Vec<StoreChange>),
}

impl EmbeddedStore {
    /// Opens a file, or creates it together with its parent folders. Only the user of the process can read it:
    /// resources may be secrets.
    ///
    /// # Errors
    /// [`StoreError::Denied`]: it cannot be created or opened, another process has it open, or it has another format.
    /// [`StoreError::Damaged`], [`StoreError::Full`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let (file, loaded) = aside(&path, {
            let path = path.clone();
            move || File::open(&path)
        })
        .await?;
        let shared = Arc::new(Shared::new(Contents::new(loaded.revision, loaded.items, loaded.unreadable)));
        let writer = Turns::new(file::in_words(&path), Writer::Ready(file));
        Ok(Self { path, shared, writer })
    }

    /// Runs one write on a thread for blocking work. Once begun it completes, even if the caller does not wait for it.
    async fn write<R: Send + 'static>(
        &self,
        write: impl FnOnce(&mut WriteGuard<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let Self { path, shared, writer } = self.clone();
        writer.take(move |writer| write(&mut WriteGuard { path: &path, shared: &shared, writer })).await
    }
}

/// Exclusive access to the file and the contents.
struct WriteGuard<'a> {
    path: &'a Path,
    shared: &'a Shared,
    writer: &'a mut Writer,
}

impl WriteGuard<'_> {
    /// Returns the file, reopened if the last write failed.
    fn file(&mut self) -> Result<&mut File, StoreError> {
        if let Writer::Failed(doubtful) = self.writer {
            let (file, loaded) = File::open(self.path)?;
            let doubtful = std::mem::take(doubtful);
            if doubtful.last().is_some_and(|change| change.revision == loaded.revision) {
                self.shared.make_all(doubtful);
            }
            *self.writer = Writer::Ready(file);
        }
        match self.writer {
            Writer::Ready(file) => Ok(file),
            Writer::Failed(_) => Err(StoreError::Lost {
                store: file::in_words(self.path),
                why: "it could not be opened again".into(),
            }),
        }
    }

    /// Writes changes to the disk, then shows them to readers: all at once.
    fn make(&mut self, changes: Vec<StoreChange>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        match self.file()?.append(&changes) {
            Ok(()) => {
                self.shared.make_all(changes);
                Ok(())
            }
            Err(error) => {
                // closes the file
                *self.writer = Writer::Failed(changes);
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.shared.contents().get(key).cloned())
    }

    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError> {
        Ok(self.shared.contents().list(selection))
    }

    async fn put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
    ) -> Result<PutResult, StoreError> {
        let key = key.clone();
        self.write(move |guard| {
            guard.file()?;
            let proposal = guard.shared.contents().propose_put(&key, document, expected, Timestamp::now());
            let Proposal { written, change } = proposal?;
            guard.make(change.into_iter().collect())?;
            Ok(written)
        })
        .await
    }

    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError> {
        self.write(move |guard| {
            guard.file()?;
            let proposals = guard.shared.contents().propose_all(puts, Timestamp::now());
            let (written, changes) = apart(proposals?);
            guard.make(changes)?;
            Ok(written)
        })
        .await
    }

    async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError> {
        let key = key.clone();
        self.write(move |guard| {
            guard.file()?;
            let change = guard.shared.contents().propose_delete(&key, expected)?;
            let revision = change.revision;
            guard.make(vec![change])?;
            Ok(revision)
        })
        .await
    }

    async fn remember(&self, changes: Vec<HistoryEntry>) -> Result<(), StoreError> {
        self.write(move |guard| guard.file()?.remember(&changes)).await
    }

    async fn past(&self, key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
        let key = key.clone();
        self.write(move |guard| guard.file()?.past(&key)).await
    }

    async fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        self.shared.watch(after)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.shared.contents().revision())
    }

    fn describe(&self) -> String {
        file::in_words(&self.path)
    }

    fn leads(&self) -> watch::Receiver<bool> {
        self.shared.leads()
    }
}

/// Runs blocking work on a thread for it.
async fn aside<R: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    spawn_blocking(work).await.unwrap_or_else(|_| {
        // it panicked: the content of the file is not what our files contain
        Err(StoreError::Damaged { store: file::in_words(path), why: "reading it ended in a panic".into() })
    })
}
