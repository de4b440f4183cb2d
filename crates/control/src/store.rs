//! Where resources are kept.
//!
//! ```text
//!  API, apply ──put, delete (if the version is as expected)──▶ Store ──watch──▶ changes, in the order of their revisions
//!                                       get, list ◀──────────────┘
//! ```
//!
//! Every store keeps the same promises, and one suite holds all of them to it (`tests/stores/`):
//!
//! * an accepted change has a [`Revision`], one counter for the whole store that grows with each change;
//! * what was accepted is there after a crash, and is seen by every reader that asks later;
//! * a change that expects a version is accepted only on top of that version: no update is lost;
//! * a watch from a revision gives every later change once and in order, or says that it cannot
//!   ([`StoreError::TooOld`]): then list again, and watch from the revision of the listing.
//!
//! What is kept and cannot be read (of a kind of a newer version, or damaged) costs itself alone: a listing names it
//! ([`Listing::unreadable`]), and it stays as it is until somebody writes or removes it.
//!
//! A store keeps documents, it does not judge them: whoever puts validates. A folder that only people edit is none, but a
//! [source](crate::sources); one that is changed over the API too is a [`PlainStore`].

mod board;
mod changes;
mod contents;
mod embedded;
mod error;

mod memory;
mod metered;
mod past;
mod plain;
mod postgres;
mod record;
mod stored;
mod system;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::ResourceKey;
use serde_json::Value;
use tokio::sync::watch;

pub use board::{Board, Notes};
pub use change::Revision;
pub use changes::{Change, Watch, What};
pub use embedded::EmbeddedStore;
pub use error::{Fault, StoreError};

pub use memory::MemoryStore;
pub use metered::{MeteredStore, StoreMetrics};
pub use past::{Became, Past};
pub use plain::PlainStore;
pub use postgres::PostgresStore;
pub use stored::{Effect, Expected, Listing, Put, Selection, Stored, Unreadable, Written};

/// Where resources are kept. Used as `Arc<dyn Store>`.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// What is stored under a key now; `None`: nothing.
    ///
    /// # Errors
    /// When the store cannot be read: [`StoreError::Lost`], [`StoreError::Damaged`].
    async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError>;

    /// Everything that is selected, as of one moment, by kind, then name, then mesh.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError>;

    /// Stores a document in the Universal format under a key, if what is there is as expected. A document that is equal
    /// to what is there changes nothing, and has no new revision ([`Effect::Unchanged`]).
    ///
    /// When it returns, the document is there whatever happens. When it fails with [`StoreError::Lost`], it may or may
    /// not have been stored: read before trying again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: something else is there than expected. [`StoreError::Unfit`]: the document does not say
    /// that it is what the key names. Others: it cannot be stored now.
    async fn put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
    ) -> Result<Written, StoreError>;

    /// Stores several documents as [`Store::put`] does, in their order: all of them or none, and no reader sees a part. Each
    /// that changes something has a revision of its own; a watch gives all of them at once.
    ///
    /// Where each is a file of its own and the disk fails in between, those that were written are there.
    ///
    /// # Errors
    /// As [`Store::put`], of the first document that cannot be stored.
    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<Written>, StoreError>;

    /// Removes what is stored under a key, if it is as expected. Returns the revision of the removal.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: nothing is there. Others as [`Store::put`].
    async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError>;

    /// All changes after a revision, those that were made already and those to come.
    ///
    /// # Errors
    /// [`StoreError::TooOld`]: not all changes since are known any more. Others as [`Store::get`].
    async fn watch(&self, after: Revision) -> Result<Watch, StoreError>;

    /// The revision of the last change; also a sign of life: it asks where the resources really are.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// What and where it is, in words and without secrets: `PostgreSQL mesh@db.example:5432/mesh`.
    fn describe(&self) -> String;

    /// Whether this process does the jobs that only one may do, of all that share the store. It may change at any time:
    /// begin a [job](crate::jobs) only while it is true. Always true for stores that no other process shares.
    fn leads(&self) -> watch::Receiver<bool>;

    /// Keeps accepted changes beside the resources, for who asks later: of each resource the last 50, and no more than 1 MiB.
    /// They are no part of the change: what was accepted is so whether or not this succeeds.
    ///
    /// # Errors
    /// As [`Store::put`]: they are not kept.
    async fn remember(&self, _changes: Vec<Past>) -> Result<(), StoreError> {
        Ok(())
    }

    /// The changes of a resource that are kept, the newest first.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn past(&self, _key: &ResourceKey) -> Result<Vec<Past>, StoreError> {
        Ok(Vec::new())
    }

    /// Where processes that share the store leave notes for each other; `None`: no other process shares it.
    fn board(&self) -> Option<Arc<dyn Board>> {
        None
    }
}
