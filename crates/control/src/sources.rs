//! Where resources come from: files and folders that people edit, or a store.
//!
//! ```text
//!  FolderSource, StoreSource ──refresh──▶ what is new ──settle──▶ Candidate ──▶ adopted, or objected to: the last good stays
//! ```
//!
//! Whatever is wrong with a part of a source costs that part alone: it stays as it was last good.

mod folder;
mod status_file;
mod stored;

use std::sync::Arc;
use std::time::Instant;

use change::{Candidate, Revision};
use model::{Problem, Problems};

pub use folder::{Files, FolderSource, Loaded, OpenError, Sighting, Watch, is_resource_file};
pub use status_file::StatusFile;
pub use stored::{Feeder, StoreSource};

/// Puts a candidate into force; or changes nothing, and says what it objects to, with the source that is to blame.
pub type Adopt<'a> = dyn FnMut(&Candidate) -> Result<(), Vec<Problem>> + 'a;

/// Where resources come from.
pub trait Source: Send {
    /// Takes in what is new.
    fn refresh(&mut self, now: Instant);

    /// Reads everything again at the next [`Source::refresh`], whether or not it looks changed. What is told of changes is
    /// never behind needs nothing of this.
    fn read_again(&mut self) {}

    /// Whether something was taken in since the last settling.
    fn is_unsettled(&self) -> bool;

    /// Offers what there is now to `adopt`, and keeps of each part what was adopted. What is objected to is held back, if
    /// it is known what that is, and the rest is offered again.
    fn settle(&mut self, adopt: &mut Adopt<'_>) -> Settled;

    /// When to look again though nothing wakes us; `None`: not at all.
    fn look_again_at(&self) -> Option<Instant> {
        None
    }

    /// Everything that is wrong or doubtful now, sorted by place.
    fn problems(&self) -> Problems;

    /// The parts, sorted, and what is in force of each.
    fn states(&self) -> Vec<(Arc<str>, SourceState)>;

    /// The text of a part as it was last seen, to show where a problem is; `None`: it has none.
    fn text(&self, _part: &str) -> Option<Arc<str>> {
        None
    }

    /// The last change that was taken in; `None`: the source does not count its changes.
    fn revision(&self) -> Option<Revision> {
        None
    }

    /// Which life of the source its revisions are of: after a failover of a database a revision may be another state than
    /// before. `None`: it has one only, or does not tell.
    fn epoch(&self) -> Option<Arc<str>> {
        None
    }

    /// Whether it could not be read when it was last tried. What is in force stays.
    fn is_away(&self) -> bool {
        false
    }

    /// What becomes of a reference that was just written and leads nowhere.
    fn dangling(&self) -> Dangling;

    /// What and where it is, in words and without secrets.
    fn describe(&self) -> String;
}

/// What is in force of a part of a source: a file, or a stored resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// What it says now.
    Current,
    /// What it said when it was last good.
    LastGood,
    /// Nothing: it never was good.
    Nothing,
}

/// What became of a state of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was adopted, except for the parts that have errors or were held back.
    Adopted,
    /// Everything stays as it was.
    Refused,
}

/// What becomes of a reference that was just written and leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dangling {
    /// The part is held back until it leads somewhere: most likely somebody is in the middle of an edit.
    HeldBack,
    /// It is told: whoever wrote it got an answer already that it is accepted.
    Told,
}
