//! Endings of mirrors.

use crate::words::words;

words! {
    /// Ending of the mirror of a connection.
    MirrorEnd {
        /// The mirror got every byte and the end.
        Finished = "finished";
        /// The mirror was too slow: its buffer was full.
        Slow = "slow";
        /// The mirror, or the way to it, refused the connection.
        Refused = "refused";
        /// The mirror did not answer within the connect timeout.
        Timeout = "timeout";
        /// The mirror reset its connection.
        Reset = "reset";
        /// TLS with the mirror failed, or is not possible.
        Tls = "tls";
        /// Its cluster has reached its limit on connections, or no port or descriptor was left.
        Limit = "limit";
        /// Nothing of its cluster can be dialled.
        Unavailable = "unavailable";
        /// The mirrored connection was cut off, or the proxy shut down, before the mirror had everything.
        Cut = "cut";
    }
}
