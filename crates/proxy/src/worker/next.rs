//! The successor of a stage, as a value.

use super::closing::Closing;

/// The successor of a stage: each leads to one other, or to the end.
pub(super) enum Next<Same, Further> {
    /// The same stage, which waits for another event.
    Stay(Same),
    /// The stage that comes next.
    Go(Further),
    /// The last one.
    Close(Closing),
}
