//! Successor of a stage, as a value.

use super::closing::Closing;

/// Successor of a stage: each leads to one other, or to the end.
pub(super) enum Next<Same, Further> {
    /// Same stage, which waits for another event.
    Stay(Same),
    /// Next stage.
    Go(Further),
    /// Last stage.
    Close(Closing),
}
