//! File of an embedded store: two tables, each change one transaction.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use model::ResourceKey;
use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
};

use crate::store::past::kept;
use crate::store::record::Record;
use crate::store::system::{FileOperation, of_system};
use crate::store::{HistoryEntry, Revision, StoreChange, StoreChangeKind, StoreError, Stored, Unreadable};
use crate::whole::sync_folder;

/// Table of documents by kind, mesh and name.
const RESOURCES: TableDefinition<(&str, &str, &str), &[u8]> = TableDefinition::new("resources");
/// Table of changes by kind, mesh and name, and by their revisions. Files of older versions have none.
const HISTORY: TableDefinition<(&str, &str, &str, u64), &str> = TableDefinition::new("history");
/// Table of numbers about the whole file.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
/// Key of the revision of the last change.
const REVISION: &str = "revision";
/// Key of the format of the tables.
const FORMAT: &str = "format";
/// Format that is written, and the only one that is read.
const OURS: u64 = 1;
/// Size of the page cache, in bytes. It is small: everything is in memory already.
const CACHE: usize = 16 << 20;

/// Open file.
#[derive(Debug)]
pub(super) struct File {
    database: Database,
    words: String,
}

/// Content of a file.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Revision of the last change.
    pub(super) revision: Revision,
    /// All stored resources.
    pub(super) items: Vec<Stored>,
    /// Stored resources that cannot be read.
    pub(super) unreadable: Vec<Unreadable>,
}

/// Name of a file in messages.
pub(super) fn in_words(path: &Path) -> String {
    format!("store {}", path.display())
}

impl File {
    /// Opens or creates a file, and reads all its content.
    pub(super) fn open(path: &Path) -> Result<(Self, Loaded), StoreError> {
        let words = in_words(path);
        let denied = |error: io::Error| of_system(&words, &error, FileOperation::Opening);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(denied)?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE);
        let backend = FileBackend::new(file.map_err(denied)?);
        let opened = backend.and_then(|backend| builder.create_with_backend(backend));
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::Denied {
                store: words.clone(),
                why: "another process has it open; one control plane a file".into(),
            },
            DatabaseError::Storage(error) => of_storage(&words, &error, FileOperation::Opening),
            other => damaged(&words, &other),
        })?;
        let file = Self { database, words };
        let loaded = file.load()?;
        if loaded.is_none() {
            file.begin()?;
            // a file exists durably only when its folder is synced
            sync_folder(path).map_err(|error| of_system(&file.words, &error, FileOperation::Opening))?;
        }
        Ok((file, loaded.unwrap_or_default()))
    }

    /// Reads the content of the file; `None`: it is new.
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        let bad = |error: redb::Error| of_any(&self.words, error, FileOperation::Opening);
        let read = self.database.begin_read().map_err(|error| bad(error.into()))?;
        let numbers = match read.open_table(NUMBERS) {
            Ok(numbers) => numbers,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(bad(error.into())),
        };
        let number = |name| -> Result<Option<u64>, StoreError> {
            let found = numbers.get(name).map_err(|error| bad(error.into()))?;
            Ok(found.map(|number| number.value()))
        };
        match number(FORMAT)? {
            Some(OURS) => {}
            Some(other) => {
                let why = format!("it has format {other}, and this version of meshtcp reads format {OURS}");
                return Err(StoreError::Denied { store: self.words.clone(), why });
            }
            None => return Err(damaged(&self.words, &"it has no format")),
        }
        let revision = Revision::new(number(REVISION)?.unwrap_or_default());
        let table = read.open_table(RESOURCES).map_err(|error| bad(error.into()))?;
        let (mut items, mut unreadable) = (Vec::new(), Vec::new());
        for entry in table.iter().map_err(|error| bad(error.into()))? {
            let (key, bytes) = entry.map_err(|error| bad(error.into()))?;
            match record(key.value(), bytes.value()) {
                Ok(stored) => items.push(stored),
                Err(why) => {
                    let (kind, mesh, name) = key.value();
                    unreadable.push(Unreadable {
                        kind: kind.into(),
                        mesh: mesh.into(),
                        name: name.into(),
                        why,
                    });
                }
            }
        }
        Ok(Some(Loaded { revision, items, unreadable }))
    }

    /// Creates the tables of a new file.
    fn begin(&self) -> Result<(), StoreError> {
        self.transact(|transaction| {
            transaction.open_table(RESOURCES)?;
            let mut numbers = transaction.open_table(NUMBERS)?;
            numbers.insert(FORMAT, OURS)?;
            numbers.insert(REVISION, 0)?;
            Ok(())
        })
    }

    /// Writes changes. When it returns, all of them are on the disk; if it fails, none is.
    pub(super) fn append(&mut self, changes: &[StoreChange]) -> Result<(), StoreError> {
        let written = |StoreChange { key, what, revision: _ }: &StoreChange| match what {
            StoreChangeKind::Put(stored) => serde_json::to_vec(&Record::of(stored))
                .map(Some)
                .map_err(|error| StoreError::Unfit { key: key.clone(), why: error.to_string() }),
            StoreChangeKind::Deleted => Ok(None),
        };
        let texts: Vec<Option<Vec<u8>>> = changes.iter().map(written).collect::<Result<_, _>>()?;
        self.transact(|transaction| {
            let mut resources = transaction.open_table(RESOURCES)?;
            for (StoreChange { key, .. }, bytes) in changes.iter().zip(&texts) {
                match bytes {
                    Some(bytes) => resources.insert(columns(key), bytes.as_slice())?,
                    None => resources.remove(columns(key))?,
                };
            }
            if let Some(last) = changes.last() {
                transaction.open_table(NUMBERS)?.insert(REVISION, last.revision.number())?;
            }
            Ok(())
        })
    }

    /// Keeps changes as history, and drops surplus ones of the same resources.
    pub(super) fn remember(&mut self, changes: &[HistoryEntry]) -> Result<(), StoreError> {
        self.transact(|transaction| {
            let mut history = transaction.open_table(HISTORY)?;
            for past in changes {
                let (kind, mesh, name) = columns(&past.key);
                history.insert((kind, mesh, name, past.revision.number()), past.line().as_str())?;
                let mut known = Vec::new();
                for entry in history.range((kind, mesh, name, 0)..=(kind, mesh, name, u64::MAX))?.rev() {
                    let (key, line) = entry?;
                    known.push((key.value().3, line.value().len()));
                }
                let count = kept(known.iter().map(|(_, size)| *size));
                for (revision, _) in known.iter().skip(count) {
                    history.remove((kind, mesh, name, *revision))?;
                }
            }
            Ok(())
        })
    }

    /// Returns the history of a resource, the newest change first.
    pub(super) fn past(&self, key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
        let all = || -> Result<Vec<HistoryEntry>, redb::Error> {
            let read = self.database.begin_read()?;
            let history = match read.open_table(HISTORY) {
                Ok(history) => history,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            let (kind, mesh, name) = columns(key);
            let mut found = Vec::new();
            for entry in history.range((kind, mesh, name, 0)..=(kind, mesh, name, u64::MAX))?.rev() {
                found.extend(HistoryEntry::read(entry?.1.value()));
            }
            Ok(found)
        };
        all().map_err(|error| of_any(&self.words, error, FileOperation::Writing))
    }

    fn transact(
        &self,
        write: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        let all = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            write(&transaction)?;
            // durable: waits for the disk
            Ok(transaction.commit()?)
        };
        all().map_err(|error| of_any(&self.words, error, FileOperation::Writing))
    }
}

/// Decodes the resource under a key; `Err`: the reason why it cannot be read, in words.
fn record(key: (&str, &str, &str), bytes: &[u8]) -> Result<Stored, String> {
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let stored = record.stored()?;
    if columns(&stored.key) != key {
        return Err(format!("the document says that it is {}", stored.key));
    }
    Ok(stored)
}

fn columns(key: &ResourceKey) -> (&str, &str, &str) {
    (key.kind.as_str(), key.mesh_or_empty(), &key.name)
}

fn of_any(words: &str, error: redb::Error, moment: FileOperation) -> StoreError {
    match error {
        redb::Error::Io(error) => of_system(words, &error, moment),
        redb::Error::PreviousIo => of_storage(words, &StorageError::PreviousIo, moment),
        other => damaged(words, &other),
    }
}

fn of_storage(words: &str, error: &StorageError, moment: FileOperation) -> StoreError {
    match error {
        StorageError::Io(error) => of_system(words, error, moment),
        StorageError::PreviousIo => {
            StoreError::Lost { store: words.into(), why: "an earlier write failed".into() }
        }
        other => damaged(words, other),
    }
}

fn damaged(words: &str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged { store: words.into(), why: why.to_string() }
}
