//! Sources of resources: files and folders that people edit, or a store.
//!
//! ```text
//!  FolderSource, StoreSource ──refresh──▶ news ──settle──▶ Candidate ──▶ adopted, or refused: the last good one stays
//! ```
//!
//! A problem with a part of a source affects that part alone: it stays at its last good content.

mod folder;
mod status_file;
mod stored;

use std::sync::Arc;
use std::time::Instant;

use change::{Candidate, Revision};
use model::{Problem, Problems};

pub use folder::{FileState, Files, FolderSource, Loaded, OpenError, Watch, is_resource_file};
pub use status_file::StatusFile;
pub use stored::{Feeder, StoreSource};

/// Puts a candidate into force; or changes nothing, and returns its objections, with the source that is to blame.
pub type Adopt<'a> = dyn FnMut(&Candidate) -> Result<(), Vec<Problem>> + 'a;

/// Source of resources.
pub trait Source: Send {
    /// Takes in changes.
    fn refresh(&mut self, now: Instant);

    /// Reads everything again at the next [`Source::refresh`], whether or not it looks changed. A source that is
    /// notified of changes is never behind and need not do anything.
    fn read_again(&mut self) {}

    /// Returns `true` if changes were taken in since the last settling.
    fn is_unsettled(&self) -> bool;

    /// Offers the current content to `adopt`, and remembers of each part what was adopted. Parts with objections are
    /// held back, if they are known, and the rest is offered again.
    fn settle(&mut self, adopt: &mut Adopt<'_>) -> OfferOutcome;

    /// Returns the time of the next look if nothing wakes the loop; `None`: none is needed.
    fn look_again_at(&self) -> Option<Instant> {
        None
    }

    /// Returns all current errors and warnings, sorted by place.
    fn problems(&self) -> Problems;

    /// Returns the parts, sorted, and the state in force of each.
    fn states(&self) -> Vec<(Arc<str>, SourceState)>;

    /// Returns the text of a part as it was last seen, to show the place of a problem; `None`: it has none.
    fn text(&self, _part: &str) -> Option<Arc<str>> {
        None
    }

    /// Returns the last revision that was taken in; `None`: the source does not count its changes.
    fn revision(&self) -> Option<Revision> {
        None
    }

    /// Returns the epoch of its revisions: after a failover of a database a revision may be another state than before.
    /// `None`: the source has only one, or reports none.
    fn epoch(&self) -> Option<Arc<str>> {
        None
    }

    /// Returns `true` if the last attempt to read it failed. The state in force stays.
    fn is_away(&self) -> bool {
        false
    }

    /// Returns how newly written references that lead nowhere are treated.
    fn dangling(&self) -> DanglingPolicy;

    /// Describes the source and its place, in words and without secrets.
    fn describe(&self) -> String;
}

/// State in force of a part of a source: a file, or a stored resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// Its current content.
    Current,
    /// Its last good content.
    LastGood,
    /// Nothing: it never was good.
    Nothing,
}

/// Result of offering a state of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferOutcome {
    /// It was adopted, except for the parts that have errors or were held back.
    Adopted,
    /// Everything stays as it was.
    Refused,
}

/// Treatment of a newly written reference that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DanglingPolicy {
    /// The part is held back until it leads somewhere: most likely somebody is in the middle of an edit.
    HeldBack,
    /// It is reported as a warning: its author has been told already that it is accepted.
    Told,
}
