//! State in force, for all readers.

use std::sync::Arc;

use change::Ledger;
use change::compile::Compiled;
use model::Problems;

use crate::sources::SourceState;

/// State in force after a turn of the loop: one whole value, readable without waiting.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// Resources, and the compiled state of every proxy; `None`: nothing was adopted yet.
    pub adopted: Option<(Ledger, Arc<Compiled>)>,
    /// Parts of the source, sorted, and the state in force of each.
    pub parts: Vec<(Arc<str>, SourceState)>,
    /// All errors and warnings, sorted by place.
    pub problems: Problems,
}

impl Current {
    /// Returns the compiled state of every proxy; `None`: nothing was adopted yet.
    pub fn compiled(&self) -> Option<&Arc<Compiled>> {
        self.adopted.as_ref().map(|(_, compiled)| compiled)
    }
}
