//! Arrival of a resource at the client, in the order of our responses.

/// Point at which something came to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrival {
    /// On an earlier stream of this control plane.
    Before,
    /// Later, on a stream of another control plane, as far as is known.
    Elsewhere,
    /// With a response of this stream, numbered from 1.
    With(u64),
}
