//! MeshTCPMirror, a kind of meshtcp's own: whose bytes are copied to a second backend.

use super::merge::{replaced, said};
use crate::reference::BackendRef;

said! {
    /// What a MeshTCPMirror says about a destination. A mirror that is too slow is always dropped: there is nothing to say.
    MirrorConf {
        /// Where the copies go; absent: nowhere, so that nothing is copied.
        backend: BackendRef,
        /// Of which share of connections; absent: of all.
        percent: super::Percent,
        /// How many bytes may wait for a mirror that is slow, before it is dropped; absent: [`MirrorConf::BUFFER`].
        buffer: u32,
    }
}

replaced!(BackendRef);

impl MirrorConf {
    /// How many bytes may wait where nobody says: 1 MiB.
    pub const BUFFER: u32 = 1 << 20;
    /// How many may wait at least, and at most: 4 KiB and 64 MiB.
    pub const BUFFERS: std::ops::RangeInclusive<u32> = (4 << 10)..=(64 << 20);
}
