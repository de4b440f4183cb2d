//! Errors of stores.

use std::time::Duration;

use model::ResourceKey;

use super::{Expected, Revision, Stored};

/// Reason why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The stored resource is not as the caller expected.
    #[error("{key}: {expected} was expected, but {} is there", in_words(.found.as_deref()))]
    Conflict {
        /// Key of the resource.
        key: ResourceKey,
        /// Expectation of the caller.
        expected: Expected,
        /// Resource that is stored now; `None`: none is.
        found: Option<Box<Stored>>,
    },
    /// Nothing is stored under the key.
    #[error("{0} is not there")]
    NotFound(ResourceKey),
    /// The document cannot be kept under the key.
    #[error("{key}: {why}")]
    Unfit {
        /// Key of the resource.
        key: ResourceKey,
        /// Flaw of the document.
        why: String,
    },
    /// Not every change since the revision is known any more, or the revision was never reached: list again.
    #[error("changes after revision {after} are not known any more, only those after {oldest}: list again")]
    TooOld {
        /// Revision that was asked for.
        after: Revision,
        /// Oldest revision that can be watched from.
        oldest: Revision,
    },
    /// There is no room for it.
    #[error("{store}: there is no room for it: {why}")]
    Full {
        /// Description of the store.
        store: String,
        /// Error of the system.
        why: String,
    },
    /// The storage cannot be reached now.
    #[error("{store}: cannot be reached: {why}")]
    Lost {
        /// Description of the store.
        store: String,
        /// Error of the system.
        why: String,
    },
    /// The disk of the store does not answer.
    #[error("{store}: its disk has not answered for {waited:?}: {}", of_begun(*.begun))]
    Silent {
        /// Description of the store.
        store: String,
        /// Time that the caller waited.
        waited: Duration,
        /// `true`: it was begun, and may still be done when the disk answers; `false`: it will not be done.
        begun: bool,
    },
    /// The storage denies access, or is of an unusable kind.
    #[error("{store}: cannot be used: {why}")]
    Denied {
        /// Description of the store.
        store: String,
        /// Reason, and how to help.
        why: String,
    },
    /// The stored data cannot be read.
    #[error("{store}: what is kept is damaged: {why}")]
    Damaged {
        /// Description of the store.
        store: String,
        /// Reason, in words.
        why: String,
    },
}

fn of_begun(begun: bool) -> &'static str {
    match begun {
        true => "what was asked may still be done",
        false => "nothing was done",
    }
}

fn in_words(found: Option<&Stored>) -> String {
    found.map_or_else(|| "nothing".to_owned(), |found| format!("version {}", found.version))
}

/// Party who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller: with another key, document or version the call succeeds.
    Caller,
    /// The operator of the store: a disk is full, a database is unreachable or denies access, a file is damaged.
    Operator,
}

impl StoreError {
    /// Returns the party who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            StoreError::Conflict { .. }
            | StoreError::NotFound(_)
            | StoreError::Unfit { .. }
            | StoreError::TooOld { .. } => Fault::Caller,
            StoreError::Full { .. }
            | StoreError::Lost { .. }
            | StoreError::Silent { .. }
            | StoreError::Denied { .. }
            | StoreError::Damaged { .. } => Fault::Operator,
        }
    }

    /// Returns `true` if the same call may succeed later without a change by the caller.
    pub fn retry_helps(&self) -> bool {
        matches!(self, StoreError::Lost { .. } | StoreError::Silent { .. } | StoreError::Full { .. })
    }
}
