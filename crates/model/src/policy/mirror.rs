//! MeshTCPMirror, a kind of meshtcp's own: copies of connections to a second backend.

use super::merge::{replaced, said};
use crate::reference::BackendRef;

said! {
    /// Conf of a MeshTCPMirror about a destination. A mirror that is too slow is always dropped, so there is no
    /// field for that.
    MirrorConf {
        /// Backend that copies go to; absent: nothing is copied.
        backend: BackendRef,
        /// Share of connections that are mirrored, in percent; absent: all.
        percent: super::Percent,
        /// Limit on bytes that wait for a slow mirror before it is dropped; absent: [`MirrorConf::BUFFER`].
        buffer: u32,
    }
}

replaced!(BackendRef);

impl MirrorConf {
    /// Default limit on bytes that wait: 1 MiB.
    pub const BUFFER: u32 = 1 << 20;
    /// Allowed limits on bytes that wait: 4 KiB to 64 MiB.
    pub const BUFFERS: std::ops::RangeInclusive<u32> = (4 << 10)..=(64 << 20);
}
