//! Files of a folder: their known state, and the only code that writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use model::ResourceKey;

use super::text::{self, Read};
use super::{place, walk};
use crate::file_stamp::{FileStamp, Identity};
use crate::plain_file::{self, oddity};
use crate::store::system::{FileOperation, of_system};
use crate::store::{Revision, StoreChange, StoreChangeKind, StoreError, Stored, Unreadable};
use crate::whole::{self, sync_folder};

/// Lock file, held by the process that has the folder open.
const LOCK: &str = ".lock";
/// File with an upper bound of all revisions so far.
const REVISION: &str = ".revision";
/// Number of revisions that are reserved at once, so that not every change writes the file.
const RESERVE: u64 = 100;

/// Open folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    /// Identity of the folder that was opened: another one at its path, for example after an unmount, is neither read
    /// nor written.
    identity: Identity,
    words: String,
    /// Lock; released when it is closed, also by a crash.
    _lock: File,
    /// Revision up to which none is given again.
    reserved: Revision,
    known: BTreeMap<PathBuf, Known>,
    /// Path of each resource.
    homes: BTreeMap<ResourceKey, PathBuf>,
    /// Looks of files that have changed since they were taken in; `None`: removed.
    unsettled: BTreeMap<PathBuf, Option<FileStamp>>,
    /// Files that were logged as ignored.
    odd: BTreeSet<PathBuf>,
    /// `true`: it was logged that the folder is inaccessible.
    told: bool,
}

/// Known state of a file.
#[derive(Debug)]
struct Known {
    look: FileStamp,
    /// Resource that it had when it was last readable; `None`: none yet.
    key: Option<ResourceKey>,
    /// Reason why it is unusable now; most likely somebody is editing it. It is not overwritten then.
    unusable: Option<String>,
}

/// Content of a folder.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Revision that no change has passed.
    pub(super) revision: Revision,
    pub(super) items: Vec<Stored>,
    /// Ignored files: they are no resources, or repeat another one.
    pub(super) unreadable: Vec<Unreadable>,
}

/// Edit of a file by people.
#[derive(Debug)]
pub(super) struct Edit {
    path: PathBuf,
    /// Look of the file since; `None`: it is gone.
    look: Option<FileStamp>,
}

impl Edit {
    /// Path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Name of a folder in messages.
pub(super) fn in_words(folder: &Path) -> String {
    format!("folder {}", folder.display())
}

impl Disk {
    /// Opens or creates a folder, and reads all its content.
    pub(super) fn open(folder: &Path) -> Result<(Self, Loaded), StoreError> {
        let words = in_words(folder);
        let denied = |error: io::Error| of_system(&words, &error, FileOperation::Opening);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(denied)?;
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCK));
        let lock = lock.map_err(denied)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::Denied {
                store: words.clone(),
                why: "another process has it open; one control plane a folder".into(),
            },
            TryLockError::Error(error) => denied(error),
        })?;
        let counted = counted(&folder.join(REVISION)).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => damaged(&words, &format!("{REVISION}: {error}")),
            _ => denied(error),
        })?;
        let identity = Identity::at(folder).map_err(denied)?;
        let (known, homes, unsettled, odd) = Default::default();
        let folder = folder.to_owned();
        let mut disk = Self {
            folder,
            identity,
            words,
            _lock: lock,
            reserved: counted,
            known,
            homes,
            unsettled,
            odd,
            told: false,
        };
        let loaded = disk.load(counted)?;
        Ok((disk, loaded))
    }

    fn load(&mut self, counted: Revision) -> Result<Loaded, StoreError> {
        let denied = |error: io::Error| of_system(&self.words, &error, FileOperation::Opening);
        let (mut read, mut unreadable) = (Vec::new(), Vec::new());
        let walked = walk::all(&self.folder).map_err(denied)?;
        for (path, look) in walked.files {
            let bytes = match plain_file::read(&path) {
                Ok(bytes) => Ok(bytes),
                // this store cannot have written that
                Err(error) if plain_file::is_odd(&error) => {
                    tracing::warn!("{}: {} is not read: {error}; move it away", self.words, self.name(&path));
                    self.known.insert(path, Known { look, key: None, unusable: None });
                    continue;
                }
                Err(error) => Err(error.to_string()),
            };
            let found = bytes.and_then(|bytes| text::read(&self.name(&path), &bytes));
            let found = found.and_then(|found| match self.homes.get(&found.key) {
                Some(other) => {
                    Err(format!("{} is in {} already: move one of them away", found.key, self.name(other)))
                }
                None => Ok(found),
            });
            match found {
                Ok(found) => {
                    self.homes.insert(found.key.clone(), path.clone());
                    self.known.insert(path, Known { look, key: Some(found.key.clone()), unusable: None });
                    read.push(found);
                }
                Err(why) => {
                    let (kind, mesh, name) = (String::new(), String::new(), self.name(&path));
                    unreadable.push(Unreadable { kind, mesh, name, why: why.clone() });
                    self.known.insert(path, Known { look, key: None, unusable: Some(why) });
                }
            }
        }
        self.step_over(walked.odd);
        let stamped = read.iter().filter_map(|it| it.stamp).map(|stamp| stamp.version).max();
        let mut revision = counted.max(stamped.unwrap_or_default());
        let mut items = Vec::new();
        let now = Timestamp::now();
        for Read { key, document, stamp } in read {
            let (version, created, modified) = match stamp {
                Some(stamp) => (stamp.version, stamp.created, stamp.modified),
                None => {
                    revision = revision.next();
                    (revision, now, now)
                }
            };
            items.push(Stored { key, document, version, created, modified });
        }
        self.reserve(revision)?;
        Ok(Loaded { revision, items, unreadable })
    }

    /// Returns the reason why a file was unusable when last seen; `None`: it is usable, or does not exist.
    pub(super) fn unusable(&self, path: &Path) -> Option<&str> {
        self.known.get(path)?.unusable.as_deref()
    }

    /// Logs each unreadable entry as ignored, once.
    fn step_over(&mut self, odd: BTreeMap<PathBuf, String>) {
        for (path, why) in &odd {
            if !self.odd.contains(path) {
                tracing::warn!("{}: {} is not read: {why}; move it away", self.words, self.name(path));
            }
        }
        self.odd = odd.into_keys().collect();
    }

    /// Name of a path in messages.
    pub(super) fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    /// Ensures that a revision is never given again, even after a crash.
    pub(super) fn reserve(&mut self, revision: Revision) -> Result<(), StoreError> {
        if revision <= self.reserved {
            return Ok(());
        }
        let reserved = Revision::new(revision.number() + RESERVE);
        self.replace(&self.folder.join(REVISION), format!("{reserved}\n").as_bytes())?;
        self.reserved = reserved;
        Ok(())
    }

    /// Returns the edits that have settled since the last call.
    pub(super) fn edits(&mut self) -> Vec<Edit> {
        let found = match self.is_in_place().and_then(|()| walk::all(&self.folder)) {
            Ok(found) => found,
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(%error, "{} cannot be looked through; what is known of it stays", self.words);
                }
                return Vec::new();
            }
        };
        self.told = false;
        self.step_over(found.odd);
        let found = found.files;
        let gone = self.known.keys().filter(|path| !found.contains_key(*path) && !self.odd.contains(*path));
        let gone = gone.map(|path| (path.clone(), None)).collect::<Vec<_>>();
        let there =
            found.into_iter().filter(|(path, look)| self.known.get(path).is_none_or(|it| it.look != *look));
        let differs: BTreeMap<PathBuf, Option<FileStamp>> =
            there.map(|(path, look)| (path, Some(look))).chain(gone).collect();
        let before = std::mem::replace(&mut self.unsettled, differs.clone());
        // a save may be seen in its middle: a file that still changes is looked at again
        let settled = differs.into_iter().filter(|(path, look)| before.get(path) == Some(look));
        let mut edits: Vec<Edit> = settled.map(|(path, look)| Edit { path, look }).collect();
        // a file under a new name is the same resource: it is found there before it is missed under the old one
        edits.sort_by_key(|edit| edit.look.is_none());
        edits
    }

    /// Checks that the folder at the path is the one that was opened.
    fn is_in_place(&self) -> io::Result<()> {
        if Identity::at(&self.folder)? == self.identity {
            return Ok(());
        }
        let why = "it is another folder than the one that was opened: is something not mounted?";
        Err(io::Error::new(io::ErrorKind::StaleNetworkFileHandle, why))
    }

    /// Returns the edit of a resource's file that was not taken in yet.
    ///
    /// # Errors
    /// The file cannot be read as this resource: it is not overwritten.
    pub(super) fn edit_of(&self, key: &ResourceKey) -> Result<Option<Edit>, StoreError> {
        self.is_in_place().map_err(|error| of_system(&self.words, &error, FileOperation::Writing))?;
        let path = self.homes.get(key).cloned().unwrap_or_else(|| place::of(&self.folder, key));
        if let Some(why) = std::fs::metadata(&path).ok().and_then(|metadata| oddity(&metadata)) {
            let why = format!("{} is in the way: {why}; move it away", self.name(&path));
            return Err(StoreError::Denied { store: self.words.clone(), why });
        }
        let look =
            FileStamp::at(&path).map_err(|error| of_system(&self.words, &error, FileOperation::Writing))?;
        let known = self.known.get(&path);
        let held = |why: String| StoreError::Denied {
            store: self.words.clone(),
            why: format!("{} was changed by hand, and {why}: repair it, or move it away", self.name(&path)),
        };
        if known.map(|it| it.look) == look && known.is_none_or(|it| it.key.as_ref() == Some(key)) {
            return match known.and_then(|it| it.unusable.clone()) {
                Some(why) => Err(held(why)),
                None => Ok(None),
            };
        }
        if look.is_some() {
            let bytes = plain_file::read(&path).map_err(|error| held(error.to_string()))?;
            let found = text::read(&self.name(&path), &bytes).map_err(held)?;
            if found.key != *key {
                return Err(held(format!("says that it is {}", found.key)));
            }
        }
        Ok(Some(Edit { path, look }))
    }

    /// Turns an edit into a change, if it is one. An unusable file is logged, and its previous content stays.
    pub(super) fn change(
        &mut self,
        Edit { path, look }: Edit,
        revision: Revision,
        now_there: impl Fn(&ResourceKey) -> Option<Stored>,
    ) -> Option<StoreChange> {
        self.unsettled.remove(&path);
        let name = self.name(&path);
        let Some(look) = look else {
            let key = self.known.remove(&path)?.key?;
            self.homes.remove(&key);
            let there = now_there(&key).is_some();
            return there.then_some(StoreChange { revision, key, what: StoreChangeKind::Deleted });
        };
        let before = self.known.get(&path).and_then(|known| known.key.clone());
        let read = plain_file::read(&path).map_err(|error| error.to_string());
        let read = read.and_then(|bytes| text::read(&name, &bytes)).and_then(|read| {
            let elsewhere = self
                .homes
                .get(&read.key)
                .filter(|home| **home != path && !matches!(FileStamp::at(home), Ok(None)));
            let moved = before.as_ref().is_some_and(|before| *before != read.key);
            match (elsewhere, moved) {
                (Some(home), _) => Err(format!("{} is in {} already", read.key, self.name(home))),
                // otherwise the previous resource would be gone although nobody removed it
                (None, true) => Err(format!("it has become {}: remove it, then write it anew", read.key)),
                (None, false) => Ok(read),
            }
        });
        let Read { key, document, stamp: _ } = match read {
            Ok(read) => read,
            Err(why) => {
                let why_once = why
                    .strip_prefix(name.as_str())
                    .map_or(why.as_str(), |rest| rest.trim_start_matches(':').trim_start());
                tracing::warn!("{}: {name}: {why_once}; what was there stays", self.words);
                self.known.insert(path, Known { look, key: before, unusable: Some(why) });
                return None;
            }
        };
        self.known.insert(path.clone(), Known { look, key: Some(key.clone()), unusable: None });
        if let Some(old) = self.homes.insert(key.clone(), path.clone()).filter(|old| *old != path) {
            self.known.remove(&old);
        }
        let found = now_there(&key);
        if found.as_ref().is_some_and(|found| found.document == document) {
            return None;
        }
        let modified = Timestamp::now();
        let created = found.map_or(modified, |found| found.created);
        let stored = Stored { key: key.clone(), document, version: revision, created, modified };
        Some(StoreChange { revision, key, what: StoreChangeKind::Put(stored) })
    }

    /// Writes a document into its file. When it returns, it is on the disk; if it fails, the previous content stays.
    pub(super) fn write(&mut self, stored: &Stored) -> Result<(), StoreError> {
        let path =
            self.homes.get(&stored.key).cloned().unwrap_or_else(|| place::of(&self.folder, &stored.key));
        self.replace(&path, text::of(stored).as_bytes())?;
        let look =
            FileStamp::at(&path).map_err(|error| of_system(&self.words, &error, FileOperation::Writing))?;
        if let Some(look) = look {
            self.unsettled.remove(&path);
            self.known.insert(path.clone(), Known { look, key: Some(stored.key.clone()), unusable: None });
            self.homes.insert(stored.key.clone(), path);
        }
        Ok(())
    }

    /// Removes the file of a resource.
    pub(super) fn remove(&mut self, key: &ResourceKey) -> Result<(), StoreError> {
        let Some(path) = self.homes.get(key).cloned() else { return Ok(()) };
        let remove = || std::fs::remove_file(&path).and_then(|()| sync_folder(&path));
        let removed = self.is_in_place().and_then(|()| remove());
        removed.map_err(|error| of_system(&self.words, &error, FileOperation::Writing))?;
        self.homes.remove(key);
        self.known.remove(&path);
        Ok(())
    }

    /// Replaces the content of a file atomically.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let write = || -> io::Result<()> {
            self.is_in_place()?;
            if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                sync_folder(folder)?;
            }
            whole::replace(path, bytes)
        };
        write().map_err(|error| of_system(&self.words, &error, FileOperation::Writing))
    }
}

/// Reads the number in a file; 0: the file does not exist.
fn counted(path: &Path) -> io::Result<Revision> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let number = text
                .trim()
                .parse()
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no number"))?;
            Ok(Revision::new(number))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Revision::ZERO),
        Err(error) => Err(error),
    }
}

fn damaged(words: &str, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged { store: words.into(), why: why.to_string() }
}
