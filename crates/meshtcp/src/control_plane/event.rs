//! What the loop waits for.

/// What the loop waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// Files or stored resources may have changed.
    Look,
    /// A proxy attached, left or answered.
    Attend,
    /// SIGTERM or SIGINT.
    Leave,
}
