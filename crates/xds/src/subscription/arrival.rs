//! When something came to the client, in the order of our responses.

/// When something came to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrival {
    /// On an earlier stream of ours.
    Before,
    /// After that on a stream of somebody else, as far as we know.
    Elsewhere,
    /// With a response of this stream; they are numbered from 1.
    With(u64),
}
