//! Revisions: points in the history of a store.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Revision: the number of the last change of a store. One counter for the whole store; it only grows, by one or more.
/// [`Revision::ZERO`] is before the first change.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// Revision before the first change.
    pub const ZERO: Revision = Revision(0);

    /// Revision with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Number of the revision.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Next revision.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
