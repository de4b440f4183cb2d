//! Endings of connections.

mod mirror;

use std::fmt;
use std::time::Duration;

use crate::decide::RefusalReason;
use crate::health::ReachedLimit;
pub use mirror::MirrorEnd;

/// One of the two ends of a connection, as the proxy sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// End that connected to the proxy.
    Client = 0,
    /// End that the proxy connected to.
    Backend = 1,
}

impl Side {
    /// Opposite end.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Backend,
            Self::Backend => Self::Client,
        }
    }
}

macro_rules! endings {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $flags:literal;)*) => {
        /// Ending of a connection. The order is that of [`Ending::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Ending { $($(#[$doc])* $variant,)* }

        impl Ending {
            /// All endings.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Name in logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Value of `%RESPONSE_FLAGS%` in an access log; `-` for nothing special.
            pub fn response_flags(self) -> &'static str {
                match self { $(Self::$variant => $flags,)* }
            }
        }
    };
}

endings! {
    /// Both directions ended in order; the client was first.
    ClientClosed = "client-closed", "-";
    /// Both directions ended in order; the backend was first.
    BackendClosed = "backend-closed", "-";
    /// The client reset the connection.
    ClientReset = "client-reset", "DC";
    /// The backend reset the connection.
    BackendReset = "backend-reset", "UC";
    /// No bytes moved during the listener's idle timeout.
    IdleTimeout = "idle-timeout", "SI";
    /// The connection reached the listener's maximum age.
    MaxAge = "max-age", "DT";
    /// The endpoint did not answer within the cluster's connect timeout.
    ConnectTimeout = "connect-timeout", "UF";
    /// The endpoint, or the way to it, refused the connection.
    ConnectRefused = "connect-refused", "UF";
    /// No backend could be chosen.
    NoBackend = "no-backend", "NR";
    /// Nothing of the chosen backend can be dialled.
    BackendUnavailable = "backend-unavailable", "UH";
    /// The endpoints of the chosen backend are down.
    BackendDown = "backend-down", "UH";
    /// The cluster of the chosen backend has reached its limit on live connections.
    BackendLimit = "backend-limit", "UO";
    /// The cluster of the chosen backend has reached its limit on pending connections.
    PendingLimit = "pending-limit", "UO";
    /// The listener or the proxy has reached its limit on connections, or no descriptor is left.
    Limit = "limit", "UO";
    /// The connection leads back to the proxy: the client dialled the port of redirected connections, or the proxy
    /// dialled itself.
    Loop = "loop", "NR";
    /// No route matches the TLS server name.
    NoServerName = "no-server-name", "NR";
    /// The first bytes of the client are not a TLS client hello, or it is too long.
    BadHello = "bad-hello", "DPE";
    /// The client hello did not arrive in time.
    HelloTimeout = "hello-timeout", "DT";
    /// The first bytes of the client are not a PROXY protocol header, where one is required.
    BadProxyHeader = "bad-proxy-header", "DPE";
    /// The PROXY protocol header did not arrive in time.
    ProxyHeaderTimeout = "proxy-header-timeout", "DT";
    /// The listener's certificate or its trusted authorities have not arrived.
    NoIdentity = "no-identity", "DPE";
    /// The TLS handshake with the client failed, or its certificate was not accepted.
    TlsFailed = "tls-failed", "DPE";
    /// The TLS handshake with the client did not finish in time.
    TlsTimeout = "tls-timeout", "DT";
    /// The client is authenticated, but not permitted to connect.
    Denied = "denied", "-";
    /// The TLS handshake with the endpoint failed, or its certificate was not accepted.
    ConnectTls = "connect-tls", "UF";
    /// An end was cut off inside a TLS record: the received bytes are incomplete.
    TlsTruncated = "tls-truncated", "DPE";
    /// Bytes of an end are not valid TLS, or it gave up with a TLS alert.
    TlsBroken = "tls-broken", "DPE";
    /// The weights of its route changed, and it would go to another backend now: `existing: close`.
    Moved = "moved", "DR";
    /// Its backend had more connections than its new share (`existing: drain-excess`), or was removed and the grace
    /// period is over.
    DrainedByRoute = "drained-by-route", "DR";
    /// The proxy was shutting down, and its drain time was over.
    Drained = "drained", "DR";
}

/// Bytes to the client below which a reset is early: no more than a greeting or an error.
pub const EARLY_BYTES: u64 = 256;

/// Age of a connection below which a reset is early, however much was sent.
pub const EARLY_TIME: Duration = Duration::from_secs(1);

impl Ending {
    /// Returns `true` if an end reset the connection.
    pub fn is_reset(self) -> bool {
        matches!(self, Self::ClientReset | Self::BackendReset)
    }

    /// Returns `true` if an end reset the connection before it can have been of much use: fewer than [`EARLY_BYTES`]
    /// were sent to the client, or it was younger than [`EARLY_TIME`].
    pub fn is_early_reset(self, sent_to_client: u64, age: Duration) -> bool {
        self.is_reset() && (sent_to_client < EARLY_BYTES || age < EARLY_TIME)
    }

    /// Returns `true` if every attempt to connect to the chosen backend failed.
    pub fn is_connect_failure(self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::ConnectRefused | Self::ConnectTls)
    }

    /// Returns `true` if the connection never reached a backend.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::ConnectTimeout
            | Self::ConnectRefused
            | Self::NoBackend
            | Self::BackendUnavailable
            | Self::BackendDown
            | Self::BackendLimit
            | Self::PendingLimit
            | Self::Limit
            | Self::Loop
            | Self::NoServerName
            | Self::BadHello
            | Self::HelloTimeout
            | Self::BadProxyHeader
            | Self::ProxyHeaderTimeout
            | Self::NoIdentity
            | Self::TlsFailed
            | Self::TlsTimeout
            | Self::Denied
            | Self::ConnectTls => true,
            Self::ClientClosed
            | Self::BackendClosed
            | Self::ClientReset
            | Self::BackendReset
            | Self::IdleTimeout
            | Self::MaxAge
            | Self::TlsTruncated
            | Self::TlsBroken
            | Self::Moved
            | Self::DrainedByRoute
            | Self::Drained => false,
        }
    }

    /// Returns `true` if the proxy ended a connection that both ends still wanted.
    pub fn is_cut(self) -> bool {
        matches!(self, Self::MaxAge | Self::Moved | Self::DrainedByRoute | Self::Drained)
    }

    /// Returns `true` if the last bytes are to be delivered: the ends need no reset to know that the stream is
    /// incomplete.
    pub fn is_orderly(self) -> bool {
        matches!(
            self,
            Self::ClientClosed | Self::BackendClosed | Self::NoIdentity | Self::TlsFailed | Self::Denied
        )
    }

    /// Orderly ending, by the side that closed first.
    pub fn closed_by(side: Side) -> Self {
        match side {
            Side::Client => Self::ClientClosed,
            Side::Backend => Self::BackendClosed,
        }
    }

    /// Ending by a reset of this side.
    pub fn reset_by(side: Side) -> Self {
        match side {
            Side::Client => Self::ClientReset,
            Side::Backend => Self::BackendReset,
        }
    }
}

impl From<RefusalReason> for Ending {
    fn from(refusal: RefusalReason) -> Self {
        match refusal {
            RefusalReason::NoBackend => Self::NoBackend,
            RefusalReason::BackendUnavailable => Self::BackendUnavailable,
            RefusalReason::BackendDown => Self::BackendDown,
            RefusalReason::NoServerName => Self::NoServerName,
        }
    }
}

impl From<ReachedLimit> for Ending {
    fn from(full: ReachedLimit) -> Self {
        match full {
            ReachedLimit::Connections => Self::BackendLimit,
            ReachedLimit::Pending => Self::PendingLimit,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_early_before_either_bound() {
        let second = Duration::from_secs(1);
        assert!(Ending::BackendReset.is_early_reset(0, second * 60));
        assert!(Ending::ClientReset.is_early_reset(EARLY_BYTES, second / 2));
        assert!(!Ending::BackendReset.is_early_reset(EARLY_BYTES, second));
        assert!(!Ending::BackendClosed.is_early_reset(0, Duration::ZERO));
    }
}
