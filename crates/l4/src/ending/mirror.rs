//! Endings of mirrors.

macro_rules! endings {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// Ending of the mirror of a connection. The order is that of [`MirrorEnd::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MirrorEnd { $($(#[$doc])* $variant,)* }

        impl MirrorEnd {
            /// All endings.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Name in logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

endings! {
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
