//! Files and folders of resources as a store that is alive: what is saved is in force a moment later.
//!
//! ```text
//!  paths ──scan──▶ sightings ──▶ Files (pure: which content of each file is in force) ──▶ candidate ──▶ adopted
//!    ▲                                                                                                     │
//!    └── watch: wakes on changes, coalesced ◀── or refused: the last good state stays, file by file ◀──────┘
//! ```
//!
//! [`Files`] decides about files and `places` about folders, and they do no IO; `scan` looks, [`Watch`] wakes,
//! [`FolderStore`] puts them together.

mod candidate;
mod content;
mod files;
mod places;
mod scan;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use model::{Problem, Problems};

pub use candidate::{Candidate, Objection, Offer};
pub(crate) use content::said;
pub use content::{Content, Entry, Options};
pub use files::{FileState, Files, Settled, Sighting};
pub use scan::{OpenError, is_resource_file};
pub use watch::Watch;

use places::{Absence, Places};
use scan::Fingerprint;

/// Files and folders as a store.
pub struct FolderStore {
    roots: Vec<PathBuf>,
    files: Files,
    seen: BTreeMap<PathBuf, Fingerprint>,
    places: Places,
    looked_at: Option<Instant>,
}

/// All that a store holds at one moment, each resource as good on its own as its file.
#[derive(Debug)]
pub struct Loaded {
    /// What was read.
    pub candidate: Candidate,
    /// What is wrong or doubtful, sorted by place.
    pub problems: Problems,
    /// The files that were looked at, sorted, and what is in force of each.
    pub files: Vec<(Arc<str>, FileState)>,
}

impl FolderStore {
    /// A store of these files and folders. Folders count with everything below them; in a folder only `*.yaml`,
    /// `*.yml` and `*.json` count, and nothing hidden. Reads nothing yet.
    ///
    /// # Errors
    /// A path that does not exist, or cannot be looked at: nobody could repair that by saving a file.
    pub fn open(paths: &[PathBuf], options: Options) -> Result<Self, OpenError> {
        for path in paths {
            std::fs::metadata(path).map_err(|error| OpenError::new(path, error))?;
        }
        let read = move |name: &str, bytes: &[u8]| Content::read(name, bytes, &options);
        let files = Files::new(Box::new(read));
        let (seen, places) = Default::default();
        Ok(Self { roots: paths.to_vec(), files, seen, places, looked_at: None })
    }

    /// Looks at every path and reads what changed since the last look.
    pub fn refresh(&mut self, now: Instant) {
        self.looked_at = Some(now);
        let listing = scan::list(&self.roots);
        let absences = self.places.judge(&listing, |path| self.seen.contains_key(path), now);
        // what stands where nobody can look, or is not believed to be empty, is not gone
        let unreadable = listing.unreadable.iter().map(|(path, _)| path);
        let dark: Vec<PathBuf> =
            unreadable.chain(absences.iter().map(|absence| &absence.path)).cloned().collect();
        let unseen: Vec<PathBuf> =
            self.seen.keys().filter(|path| !listing.files.contains_key(*path)).cloned().collect();
        for path in unseen {
            if dark.iter().any(|place| path.starts_with(place)) {
                self.files.stays(&name(&path));
            } else if self.files.observe(&name(&path), Sighting::Gone, now) {
                self.seen.remove(&path);
            }
        }
        for (path, fingerprint) in listing.files {
            let doubtful = self.files.is_doubtful(&name(&path));
            if !doubtful && self.seen.get(&path).is_some_and(|seen| seen.proves_unchanged(&fingerprint)) {
                continue;
            }
            let sighting = match std::fs::read(&path) {
                Ok(bytes) => Sighting::Bytes(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Sighting::Gone,
                Err(error) => Sighting::Unreadable(error.to_string()),
            };
            self.files.observe(&name(&path), sighting, now);
            self.seen.insert(path, fingerprint);
        }
        let unreadable = listing.unreadable.iter().map(|(path, why)| kept(path, why));
        let lasting = absences.iter().filter(|absence| absence.lasts);
        let absent = lasting.map(|Absence { path, why, .. }| kept(path, why.in_words()));
        self.files.cannot_list(unreadable.chain(absent).collect());
    }

    /// Offers what the files say now to `adopt`, and keeps of each file what was adopted. See [`Files::settle`].
    pub fn settle<V>(&mut self, adopt: impl FnMut(&Candidate) -> Result<V, Vec<Objection>>) -> Settled<V> {
        self.files.settle(adopt)
    }

    /// Looks once and takes all that is good: for commands that answer and end.
    pub fn load(&mut self) -> Loaded {
        self.refresh(Instant::now());
        match self.settle(|candidate| Ok(candidate.clone())) {
            Settled::Adopted(candidate) => {
                Loaded { candidate, problems: self.files.problems(), files: self.files.states() }
            }
            // nothing objects above
            Settled::Refused => Loaded {
                candidate: Candidate::default(),
                problems: self.files.problems(),
                files: self.files.states(),
            },
        }
    }

    /// Whether something was seen since the last settling.
    pub fn is_unsettled(&self) -> bool {
        self.files.is_unsettled()
    }

    /// When to look again though nothing wakes us: a file seems half-written or removed, and we want to be sure.
    pub fn look_again_at(&self) -> Option<Instant> {
        let absence = self.looked_at.and_then(|now| self.places.look_again_at(now));
        self.files.look_again_at().into_iter().chain(absence).min()
    }

    /// Everything that is wrong or doubtful now, sorted by place.
    pub fn problems(&self) -> Problems {
        self.files.problems()
    }

    /// The files, sorted, and what is in force of each.
    pub fn states(&self) -> Vec<(Arc<str>, FileState)> {
        self.files.states()
    }

    /// The text of a file as it was last seen, to show where a problem is.
    pub fn text(&self, file: &str) -> Option<Arc<str>> {
        self.files.text(file)
    }

    /// Calls `wake` soon after anything changed, once a burst, until the result is dropped.
    pub fn watch(&self, wake: impl Fn() + Send + 'static) -> Watch {
        Watch::start(self.roots.clone(), Box::new(wake))
    }
}

/// The problem of a place that cannot be looked at, and of which what is known stays.
fn kept(path: &Path, why: &str) -> Problem {
    let help =
        "what was read from it last stays in force, until it can be read again or this is started anew";
    Problem { help: Some(help.into()), ..content::unreadable(&name(path), why) }
}

/// Files are called as the operator would write them.
fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
