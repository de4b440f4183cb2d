//! Notes that the processes on one store leave for each other.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;

use super::StoreError;

/// Board for notes that the processes on one store leave for each other: knowledge of each that the others cannot see.
/// They are no resources and have no revision. They are removed with their author: when it says so, or has not been
/// heard of for 15 s.
#[async_trait]
pub trait Board: fmt::Debug + Send + Sync {
    /// Gives a sign of life of a process, and publishes notes in its name: texts without NUL by name; `None` removes
    /// one. All or none of them become visible.
    ///
    /// Returns `false` if the process is unknown, so that it has to publish all of its notes again.
    ///
    /// # Errors
    /// [`StoreError::Lost`] and the like: nothing was published.
    async fn leave(&self, who: &str, notes: &[(String, Option<String>)]) -> Result<bool, StoreError>;

    /// Returns the notes of others since a mark ([`Notes::FIRST`]: all), and the live processes.
    ///
    /// # Errors
    /// As [`Board::leave`].
    async fn read(&self, who: &str, since: i64) -> Result<Notes, StoreError>;

    /// Removes all notes of a process that ends.
    ///
    /// # Errors
    /// As [`Board::leave`].
    async fn go(&self, who: &str) -> Result<(), StoreError>;
}

/// Notes read from a board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Mark for the next read. Smaller than the one asked for: the board has lost its content, read all of it again.
    pub mark: i64,
    /// New notes: author, name, and text; `None`: it was removed.
    pub notes: Vec<(String, String, Option<String>)>,
    /// Other live processes.
    pub alive: BTreeSet<String>,
}

impl Notes {
    /// Mark before all notes.
    pub const FIRST: i64 = 0;
}
