//! Notes that the processes on one store leave for each other.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;

use super::StoreError;

/// Notes that the processes on one store leave for each other: what each of them knows, and the others cannot see. They
/// are no resources and have no revision. They go with who left them: when it says so, or has not been heard of for 15 s.
#[async_trait]
pub trait Board: fmt::Debug + Send + Sync {
    /// Says that a process lives, and leaves notes in its name: texts without NUL by name, `None` takes one away. All or none
    /// of them are seen.
    ///
    /// False: nothing is known of the process, so that it has to leave all of its notes anew.
    ///
    /// # Errors
    /// [`StoreError::Lost`] and the like: nothing was left.
    async fn leave(&self, who: &str, notes: &[(String, Option<String>)]) -> Result<bool, StoreError>;

    /// What others have left since a mark ([`Notes::FIRST`]: all), and who lives.
    ///
    /// # Errors
    /// As [`Board::leave`].
    async fn read(&self, who: &str, since: i64) -> Result<Notes, StoreError>;

    /// Takes all notes of a process away, which ends.
    ///
    /// # Errors
    /// As [`Board::leave`].
    async fn go(&self, who: &str) -> Result<(), StoreError>;
}

/// What was left on a board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Ask from here the next time. Smaller than what was asked from: the board has lost what there was, read all of it anew.
    pub mark: i64,
    /// The notes that are new since: by whom, under which name, and what; `None`: it was taken away.
    pub notes: Vec<(String, String, Option<String>)>,
    /// The other processes that live.
    pub alive: BTreeSet<String>,
}

impl Notes {
    /// The mark before everything.
    pub const FIRST: i64 = 0;
}
