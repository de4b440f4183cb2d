//! Files and folders of resources as a live source: a saved file is in force a moment later.
//!
//! ```text
//!  paths ──scan──▶ sightings ──▶ Files (pure: the content in force of each file) ──▶ candidate ──▶ adopted
//!    ▲                                                                                                │
//!    └── watch: wakes on changes, coalesced ◀── or refused: the last good state stays, file by file ◀─┘
//! ```
//!
//! [`Files`] decides about files and `places` about folders, without IO; `scan` looks, [`Watch`] wakes,
//! [`FolderSource`] puts them together.

mod files;
mod places;
mod scan;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use model::{Problem, Problems, Severity};

pub use files::{FileState, Files};
pub use scan::{OpenError, is_resource_file};
pub use watch::Watch;

use change::addresses::{Filler, Ranges};
use change::{Candidate, Content, Ledger, Options, problem_of};

use super::status_file::{Overlay, StatusFile};
use super::{Adopt, DanglingPolicy, OfferOutcome, Source, SourceState};
use crate::plain_file;
use places::{Absence, Places};
use scan::Fingerprint;

/// Files and folders as a source of resources.
pub struct FolderSource {
    roots: Vec<PathBuf>,
    files: Files,
    /// Allocator of services' addresses; `None`: they have those in the files.
    filler: Option<Filler>,
    /// Statuses from beside the files; `None`: resources have those in the files.
    overlay: Option<Overlay>,
    options: Options,
    seen: BTreeMap<PathBuf, Fingerprint>,
    places: Places,
    looked_at: Option<Instant>,
    /// `true`: files that look unchanged are read too.
    read_again: bool,
    /// `true`: there is only one look; then a named path may be something that has to be waited for, such as a pipe.
    once: bool,
}

/// Content of files and folders at one moment; each resource is included if its file is good.
#[derive(Debug)]
pub struct Loaded {
    /// Resources that were read.
    pub ledger: Ledger,
    /// Errors and warnings, sorted by place.
    pub problems: Problems,
    /// Number of errors about documents of unknown kinds: they do not prevent the use of the others.
    pub strangers: usize,
}

impl FolderSource {
    /// Creates a source over these files and folders. Folders are read recursively; in a folder only `*.yaml`, `*.yml`
    /// and `*.json` are read, and no hidden files. Nothing is read yet.
    ///
    /// # Errors
    /// A path does not exist, or cannot be accessed: saving a file could not repair that.
    pub fn open(paths: &[PathBuf], options: Options) -> Result<Self, OpenError> {
        for path in paths {
            std::fs::metadata(path).map_err(|error| OpenError::new(path, error))?;
        }
        let by = options.clone();
        let read = move |name: &str, bytes: &[u8]| Content::read(name, bytes, &by);
        let files = Files::new(Box::new(read));
        let (seen, places) = Default::default();
        Ok(Self {
            roots: paths.to_vec(),
            files,
            filler: None,
            overlay: None,
            options,
            seen,
            places,
            looked_at: None,
            read_again: false,
            once: false,
        })
    }

    /// Adds addresses: services without any in the files get virtual IPs of these ranges, and host names.
    #[must_use]
    pub fn addressed(mut self, ranges: Ranges) -> Self {
        self.filler = Some(Filler::new(ranges, self.options.clone()));
        self
    }

    /// Adds the statuses that are kept beside the files.
    #[must_use]
    pub fn beside(mut self, statuses: StatusFile) -> Self {
        self.overlay = Some(Overlay::new(statuses, self.options.clone()));
        self
    }

    /// Looks once and takes all that is good: for commands that answer and end.
    pub fn load(&mut self) -> Loaded {
        self.once = true;
        self.refresh(Instant::now());
        let mut ledger = Ledger::default();
        // there are no objections
        self.settle(&mut |candidate| {
            ledger = candidate.ledger.clone();
            Ok(())
        });
        Loaded { ledger, problems: self.problems(), strangers: self.files.strangers() }
    }

    /// Calls `wake` shortly after any change, once per burst, until the result is dropped.
    pub fn watch(&self, wake: impl Fn() + Send + 'static) -> Watch {
        Watch::start(self.roots.clone(), Box::new(wake))
    }
}

impl Source for FolderSource {
    /// Looks at every path and reads what changed since the last look.
    fn refresh(&mut self, now: Instant) {
        self.looked_at = Some(now);
        let again = std::mem::take(&mut self.read_again);
        let listing = scan::list(&self.roots);
        let absences = self.places.judge(&listing, |path| self.seen.contains_key(path), now);
        // files in an inaccessible place, or in one that is not trusted to be empty, are not gone
        let unreadable = listing.unreadable.iter().map(|(path, _)| path);
        let dark: Vec<PathBuf> = unreadable
            .chain(listing.odd.iter().map(|(path, _)| path))
            .chain(absences.iter().map(|absence| &absence.path))
            .cloned()
            .collect();
        let unseen: Vec<PathBuf> =
            self.seen.keys().filter(|path| !listing.files.contains_key(*path)).cloned().collect();
        for path in unseen {
            if dark.iter().any(|place| path.starts_with(place)) {
                self.files.stays(&name(&path));
            } else if self.files.observe(&name(&path), FileState::Gone, now) {
                self.seen.remove(&path);
            }
        }
        for (path, fingerprint) in listing.files {
            let doubtful = again || self.files.is_doubtful(&name(&path));
            if !doubtful && self.seen.get(&path).is_some_and(|seen| seen.proves_unchanged(&fingerprint)) {
                continue;
            }
            let is_named = self.once && self.roots.contains(&path);
            let read = if is_named { plain_file::read_named(&path) } else { plain_file::read(&path) };
            let file_state = match read {
                Ok(bytes) => FileState::Bytes(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => FileState::Gone,
                Err(error) => FileState::Unreadable(error.to_string()),
            };
            self.files.observe(&name(&path), file_state, now);
            self.seen.insert(path, fingerprint);
        }
        let unreadable = listing.unreadable.iter().map(|(path, why)| kept(path, why));
        let odd = listing.odd.iter().map(|(path, why)| stepped_over(path, why));
        let lasting = absences.iter().filter(|absence| absence.lasts);
        let absent = lasting.map(|Absence { path, why, .. }| kept(path, why.in_words()));
        self.files.cannot_list(unreadable.chain(odd).chain(absent).collect());
    }

    fn read_again(&mut self) {
        self.read_again = true;
    }

    fn settle(&mut self, adopt: &mut Adopt<'_>) -> OfferOutcome {
        let Self { files, filler, overlay, .. } = self;
        files.settle(&mut |Candidate { ledger, changed }| {
            let mut ledger = ledger.clone();
            if let Some(filler) = filler {
                ledger = filler.fill(&ledger);
            }
            if let Some(overlay) = overlay {
                ledger = overlay.lay_over(&ledger);
            }
            adopt(&Candidate { ledger, changed: changed.clone() })
        })
    }

    fn is_unsettled(&self) -> bool {
        self.files.is_unsettled() || self.overlay.as_ref().is_some_and(Overlay::is_new)
    }

    /// Returns the time when a file that seems half-written or removed, or a folder that seems emptied, is to be
    /// trusted.
    fn look_again_at(&self) -> Option<Instant> {
        let absence = self.looked_at.and_then(|now| self.places.look_again_at(now));
        self.files.look_again_at().into_iter().chain(absence).min()
    }

    fn problems(&self) -> Problems {
        let mut problems = self.files.problems();
        problems.extend(self.filler.iter().flat_map(Filler::problems));
        problems.sort();
        problems
    }

    fn states(&self) -> Vec<(Arc<str>, SourceState)> {
        self.files.states()
    }

    fn text(&self, file: &str) -> Option<Arc<str>> {
        self.files.text(file)
    }

    fn dangling(&self) -> DanglingPolicy {
        DanglingPolicy::HeldBack
    }

    fn describe(&self) -> String {
        "files".to_owned()
    }
}

/// Creates the problem of an inaccessible place, whose known content stays.
fn kept(path: &Path, why: &str) -> Problem {
    let help =
        "what was read from it last stays in force, until it can be read again or this is started anew";
    Problem { help: Some(help.into()), ..problem_of(&name(path), format!("cannot be read: {why}")) }
}

/// Creates the remark about something in a folder that is named like a file of resources.
fn stepped_over(path: &Path, why: &str) -> Problem {
    let help =
        "what was read under this name before stays in force; move it away if it is not meant to be here";
    let problem = problem_of(&name(path), format!("is not read: {why}"));
    Problem { severity: Severity::Warning, help: Some(help.into()), ..problem }
}

/// Name of a file, as the operator would write it.
fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
