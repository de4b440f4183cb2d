//! How a mirror ended.

macro_rules! endings {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// How the mirror of a connection ended. The order is that of [`MirrorEnd::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MirrorEnd { $($(#[$doc])* $variant,)* }

        impl MirrorEnd {
            /// Every way to end.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

endings! {
    /// It got every byte and the end.
    Finished = "finished";
    /// More waited for it than may.
    Slow = "slow";
    /// It refused the connection, or the way to it did.
    Refused = "refused";
    /// It did not answer within the connect timeout.
    Timeout = "timeout";
    /// It reset its connection.
    Reset = "reset";
    /// TLS with it failed, or cannot be spoken.
    Tls = "tls";
    /// Its cluster has as many connections as it may have, or there was no port or descriptor for it.
    Limit = "limit";
    /// Nothing of its cluster can be dialled.
    Unavailable = "unavailable";
    /// The connection that it copied was cut off, or the proxy left, before it had everything.
    Cut = "cut";
}
