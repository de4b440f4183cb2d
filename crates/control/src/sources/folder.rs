//! Files and folders of resources as a source that is alive: what is saved is in force a moment later.
//!
//! ```text
//!  paths ──scan──▶ sightings ──▶ Files (pure: which content of each file is in force) ──▶ candidate ──▶ adopted
//!    ▲                                                                                                     │
//!    └── watch: wakes on changes, coalesced ◀── or refused: the last good state stays, file by file ◀──────┘
//! ```
//!
//! [`Files`] decides about files and `places` about folders, and they do no IO; `scan` looks, [`Watch`] wakes,
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

pub use files::{Files, Sighting};
pub use scan::{OpenError, is_resource_file};
pub use watch::Watch;

use change::addresses::{Filler, Ranges};
use change::{Candidate, Content, Ledger, Options, problem_of};

use super::status_file::{Overlay, StatusFile};
use super::{Adopt, Dangling, Settled, Source, SourceState};
use crate::plain_file;
use places::{Absence, Places};
use scan::Fingerprint;

/// Files and folders as a source of resources.
pub struct FolderSource {
    roots: Vec<PathBuf>,
    files: Files,
    /// Gives services their addresses; `None`: they have what files say.
    filler: Option<Filler>,
    /// Statuses that stand beside; `None`: resources have what files say.
    overlay: Option<Overlay>,
    options: Options,
    seen: BTreeMap<PathBuf, Fingerprint>,
    places: Places,
    looked_at: Option<Instant>,
    /// Whether to read also what looks as it did.
    read_again: bool,
    /// Whether to look only once: then what was named may be something that has to be waited for, such as a pipe.
    once: bool,
}

/// All that files and folders hold at one moment, each resource as good on its own as its file.
#[derive(Debug)]
pub struct Loaded {
    /// What was read.
    pub ledger: Ledger,
    /// What is wrong or doubtful, sorted by place.
    pub problems: Problems,
    /// How many of the errors are about documents of kinds that are not known: they are no reason to leave the others.
    pub strangers: usize,
}

impl FolderSource {
    /// A store of these files and folders. Folders count with everything below them; in a folder only `*.yaml`,
    /// `*.yml` and `*.json` count, and nothing hidden. Reads nothing yet.
    ///
    /// # Errors
    /// A path that does not exist, or cannot be looked at: nobody could repair that by saving a file.
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

    /// The same; services have virtual IPs of these ranges and host names where files say none.
    #[must_use]
    pub fn addressed(mut self, ranges: Ranges) -> Self {
        self.filler = Some(Filler::new(ranges, self.options.clone()));
        self
    }

    /// The same; resources have the statuses that stand beside them.
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
        // nothing is objected to
        self.settle(&mut |candidate| {
            ledger = candidate.ledger.clone();
            Ok(())
        });
        Loaded { ledger, problems: self.problems(), strangers: self.files.strangers() }
    }

    /// Calls `wake` soon after anything changed, once a burst, until the result is dropped.
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
        // what stands where nobody can look, or is not believed to be empty, is not gone
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
            } else if self.files.observe(&name(&path), Sighting::Gone, now) {
                self.seen.remove(&path);
            }
        }
        for (path, fingerprint) in listing.files {
            let doubtful = again || self.files.is_doubtful(&name(&path));
            if !doubtful && self.seen.get(&path).is_some_and(|seen| seen.proves_unchanged(&fingerprint)) {
                continue;
            }
            let is_named = self.once && self.roots.contains(&path);
            let read = if is_named { std::fs::read(&path) } else { plain_file::read(&path) };
            let sighting = match read {
                Ok(bytes) => Sighting::Bytes(bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Sighting::Gone,
                Err(error) => Sighting::Unreadable(error.to_string()),
            };
            self.files.observe(&name(&path), sighting, now);
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

    fn settle(&mut self, adopt: &mut Adopt<'_>) -> Settled {
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

    /// When a file that seems half-written or removed, or a folder that seems emptied, is to be believed.
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

    fn dangling(&self) -> Dangling {
        Dangling::HeldBack
    }

    fn describe(&self) -> String {
        "files".to_owned()
    }
}

/// The problem of a place that cannot be looked at, and of which what is known stays.
fn kept(path: &Path, why: &str) -> Problem {
    let help =
        "what was read from it last stays in force, until it can be read again or this is started anew";
    Problem { help: Some(help.into()), ..problem_of(&name(path), format!("cannot be read: {why}")) }
}

/// The remark about something in a folder that is called like a file of resources.
fn stepped_over(path: &Path, why: &str) -> Problem {
    let help =
        "what was read under this name before stays in force; move it away if it is not meant to be here";
    let problem = problem_of(&name(path), format!("is not read: {why}"));
    Problem { severity: Severity::Warning, help: Some(help.into()), ..problem }
}

/// Files are called as the operator would write them.
fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
