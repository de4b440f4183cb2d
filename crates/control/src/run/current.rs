//! What is in force, for everyone who asks.

use std::sync::Arc;

use change::Ledger;
use change::compile::Compiled;
use model::Problems;

use crate::sources::SourceState;

/// What is in force after a turn of the loop: one whole value, which nobody waits for.
#[derive(Clone, Debug, Default)]
pub struct Current {
    /// The resources, and what every proxy should run by them; `None`: nothing was adopted yet.
    pub adopted: Option<(Ledger, Arc<Compiled>)>,
    /// The parts of the source, sorted, and what is in force of each.
    pub parts: Vec<(Arc<str>, SourceState)>,
    /// Everything that is wrong or doubtful, sorted by place.
    pub problems: Problems,
}

impl Current {
    /// What every proxy should run; `None`: nothing was adopted yet.
    pub fn compiled(&self) -> Option<&Arc<Compiled>> {
        self.adopted.as_ref().map(|(_, compiled)| compiled)
    }
}
