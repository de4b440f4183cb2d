//! Why a store did not do what it was asked.

use model::ResourceKey;

use super::{Expected, Revision, Stored};

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Something else is there than the caller expected.
    #[error("{key}: {expected} was expected, but {} is there", in_words(.found.as_deref()))]
    Conflict {
        /// Of what.
        key: ResourceKey,
        /// What the caller expected.
        expected: Expected,
        /// What is there now; `None`: nothing.
        found: Option<Box<Stored>>,
    },
    /// Nothing is stored under the key.
    #[error("{0} is not there")]
    NotFound(ResourceKey),
    /// The document cannot be kept under the key.
    #[error("{key}: {why}")]
    Unfit {
        /// The key.
        key: ResourceKey,
        /// What is wrong with the document.
        why: String,
    },
    /// Not every change since the revision is known any more, or the revision was never reached: list again.
    #[error("changes after revision {after} are not known any more, only those after {oldest}: list again")]
    TooOld {
        /// What was asked for.
        after: Revision,
        /// The oldest revision that can be watched from.
        oldest: Revision,
    },
    /// There is no room for it.
    #[error("{store}: there is no room for it: {why}")]
    Full {
        /// Which store.
        store: String,
        /// What the system said.
        why: String,
    },
    /// The place where resources are kept cannot be reached now.
    #[error("{store}: cannot be reached: {why}")]
    Lost {
        /// Which store.
        store: String,
        /// What the system said.
        why: String,
    },
    /// The place where resources are kept does not let us in, or is not what we can use.
    #[error("{store}: cannot be used: {why}")]
    Denied {
        /// Which store.
        store: String,
        /// Why not, and what to do.
        why: String,
    },
    /// What is kept cannot be read.
    #[error("{store}: what is kept is damaged: {why}")]
    Damaged {
        /// Which store.
        store: String,
        /// What is wrong with it.
        why: String,
    },
}

fn in_words(found: Option<&Stored>) -> String {
    found.map_or_else(|| "nothing".to_owned(), |found| format!("version {}", found.version))
}

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Who called: with another key, document or version it goes through.
    Caller,
    /// Who runs the store: a disk is full, a database is away or does not let us in, a file is damaged.
    Operator,
}

impl StoreError {
    /// Who can do something about it.
    pub fn fault(&self) -> Fault {
        match self {
            StoreError::Conflict { .. }
            | StoreError::NotFound(_)
            | StoreError::Unfit { .. }
            | StoreError::TooOld { .. } => Fault::Caller,
            StoreError::Full { .. }
            | StoreError::Lost { .. }
            | StoreError::Denied { .. }
            | StoreError::Damaged { .. } => Fault::Operator,
        }
    }

    /// Whether the same call may succeed later though the caller changes nothing.
    pub fn retry_helps(&self) -> bool {
        matches!(self, StoreError::Lost { .. } | StoreError::Full { .. })
    }
}
