//! Stores of resources.
//!
//! ```text
//!  API, apply ──put, delete (if the version is as expected)──▶ Store ──watch──▶ changes, in order of their revisions
//!                                       get, list ◀──────────────┘
//! ```
//!
//! Every store keeps the same promises, and one suite holds all of them to it (`tests/stores/`):
//!
//! * an accepted change has a [`Revision`], one counter for the whole store that grows with each change;
//! * an accepted change survives a crash, and is seen by every later read;
//! * a change that expects a version is accepted only on top of that version: no update is lost;
//! * a watch from a revision yields every later change once and in order, or reports that it cannot
//!   ([`StoreError::TooOld`]): then list again, and watch from the revision of the listing.
//!
//! An unreadable resource (of a kind of a newer version, or damaged) affects itself alone: a listing names it
//! ([`Listing::unreadable`]), and it stays as it is until somebody writes or removes it.
//!
//! A store keeps documents and does not judge them: validation is up to the writer. A folder that only people edit is
//! no store, but a [source](crate::sources); one that is changed over the API too is a [`PlainStore`].

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
mod turns;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::ResourceKey;
use serde_json::Value;
use tokio::sync::watch;

pub use board::{Board, Notes};
pub use change::Revision;
pub use changes::{StoreChange, StoreChangeKind, Watch};
pub use embedded::EmbeddedStore;
pub use error::{Fault, StoreError};

pub use memory::MemoryStore;
pub use metered::{MeteredStore, StoreMetrics};
pub use past::{HistoryEntry, ResultingState};
pub use plain::PlainStore;
pub use postgres::PostgresStore;
pub use stored::{Effect, Expected, Listing, Put, PutResult, Selection, Stored, Unreadable};

/// Store of resources. Used as `Arc<dyn Store>`.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Returns the resource stored under a key; `None`: there is none.
    ///
    /// # Errors
    /// If the store cannot be read: [`StoreError::Lost`], [`StoreError::Damaged`].
    async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError>;

    /// Returns all selected resources, as of one moment, by kind, then name, then mesh.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError>;

    /// Stores a document in the Universal format under a key, if the stored one is as expected. A document that is
    /// equal to the stored one changes nothing, and has no new revision ([`Effect::Unchanged`]).
    ///
    /// Once it returns, the document is durable. If it fails with [`StoreError::Lost`], or [`StoreError::Silent`] after it
    /// was begun, it may or may not have been stored: read before trying again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: the stored one is not as expected. [`StoreError::Unfit`]: the document does not match
    /// its key. Others: it cannot be stored now.
    async fn put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
    ) -> Result<PutResult, StoreError>;

    /// Stores several documents as [`Store::put`] does, in their order: all of them or none, and no reader sees a part.
    /// Each effective one has a revision of its own; a watch yields all of them at once.
    ///
    /// If each is a file of its own and the disk fails in between, those that were written remain.
    ///
    /// # Errors
    /// As [`Store::put`], of the first document that cannot be stored.
    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError>;

    /// Removes the resource under a key, if it is as expected. Returns the revision of the removal.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: there is none. Others as [`Store::put`].
    async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError>;

    /// Watches all changes after a revision, past and future ones.
    ///
    /// # Errors
    /// [`StoreError::TooOld`]: not all changes since are known any more. Others as [`Store::get`].
    async fn watch(&self, after: Revision) -> Result<Watch, StoreError>;

    /// Returns the revision of the last change; also a health check: it asks the actual storage.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// Describes the store and its place, in words and without secrets: `PostgreSQL mesh@db.example:5432/mesh`.
    fn describe(&self) -> String;

    /// Returns the lead of this process among those that share the store: only the leader does certain jobs. It may
    /// change at any time: begin a [job](crate::jobs) only while it is `true`. Always `true` for stores that no other
    /// process shares.
    fn leads(&self) -> watch::Receiver<bool>;

    /// Keeps accepted changes beside the resources as history: of each resource the last 50, and no more than 1 MiB.
    /// They are no part of the change: it stays accepted whether or not this succeeds.
    ///
    /// # Errors
    /// As [`Store::put`]: they are not kept.
    async fn remember(&self, _changes: Vec<HistoryEntry>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the kept changes of a resource, the newest first.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn past(&self, _key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }

    /// Returns the board for notes among the processes that share the store; `None`: no other process shares it.
    fn board(&self) -> Option<Arc<dyn Board>> {
        None
    }
}
