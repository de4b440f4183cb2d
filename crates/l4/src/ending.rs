//! How a connection ended.

mod mirror;

use std::fmt;
use std::time::Duration;

use crate::decide::Refusal;
use crate::health::Full;
pub use mirror::MirrorEnd;

/// One of the two ends of a connection, as the proxy sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that connected to us.
    Client = 0,
    /// The end that we connected to.
    Backend = 1,
}

impl Side {
    /// The end across.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Backend,
            Self::Backend => Self::Client,
        }
    }
}

macro_rules! endings {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $flags:literal;)*) => {
        /// How a connection ended. The order is that of [`Ending::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Ending { $($(#[$doc])* $variant,)* }

        impl Ending {
            /// Every way to end.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What `%RESPONSE_FLAGS%` prints in an access log; `-` for nothing special.
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
    /// Nothing moved for the listener's idle timeout.
    IdleTimeout = "idle-timeout", "SI";
    /// The connection was as old as the listener lets connections become.
    MaxAge = "max-age", "DT";
    /// The endpoint did not answer in the cluster's connect timeout.
    ConnectTimeout = "connect-timeout", "UF";
    /// The endpoint, or the way to it, refused the connection.
    ConnectRefused = "connect-refused", "UF";
    /// No backend could be chosen.
    NoBackend = "no-backend", "NR";
    /// The chosen backend has nothing that can be dialled.
    BackendUnavailable = "backend-unavailable", "UH";
    /// The endpoints of the chosen backend are down.
    BackendDown = "backend-down", "UH";
    /// The cluster of the chosen backend has as many connections as it may have.
    BackendLimit = "backend-limit", "UO";
    /// As many connections to the cluster of the chosen backend as may are on the way to being established.
    PendingLimit = "pending-limit", "UO";
    /// The listener or the proxy has as many connections as it may have, or no descriptor is left.
    Limit = "limit", "UO";
    /// It leads back to the proxy: somebody dialled the port that the kernel redirects others to, or the proxy dialled itself.
    Loop = "loop", "NR";
    /// No route is there for the TLS server name.
    NoServerName = "no-server-name", "NR";
    /// What the client sent first is not a TLS client hello, or is too long.
    BadHello = "bad-hello", "DPE";
    /// The client hello did not arrive in time.
    HelloTimeout = "hello-timeout", "DT";
    /// What the client sent first is no PROXY protocol header, where one has to come first.
    BadProxyHeader = "bad-proxy-header", "DPE";
    /// The PROXY protocol header did not arrive in time.
    ProxyHeaderTimeout = "proxy-header-timeout", "DT";
    /// What the listener proves itself with, or whom it believes, has not arrived.
    NoIdentity = "no-identity", "DPE";
    /// The client did not prove who it is, or shaking hands with it failed.
    TlsFailed = "tls-failed", "DPE";
    /// The client did not prove in time who it is.
    TlsTimeout = "tls-timeout", "DT";
    /// The client has proven who it is, and may not connect.
    Denied = "denied", "-";
    /// The endpoint did not prove who it is, or shaking hands with it failed.
    ConnectTls = "connect-tls", "UF";
    /// An end was cut off inside a TLS record: what came is not all that was sent.
    TlsTruncated = "tls-truncated", "DPE";
    /// What an end sent cannot be read, or it gave up with a TLS alert.
    TlsBroken = "tls-broken", "DPE";
    /// The weights of its route changed, and it would go to another backend now: `existing: close`.
    Moved = "moved", "DR";
    /// Its backend had more connections than its new share (`existing: drain-excess`), or was removed and the grace
    /// is over.
    DrainedByRoute = "drained-by-route", "DR";
    /// The proxy was leaving, and the time for connections to end was over.
    Drained = "drained", "DR";
}

/// A reset is early while the client was sent fewer bytes than this: no more than a greeting or an error.
pub const EARLY_BYTES: u64 = 256;

/// A reset is early in the first second of a connection too, whatever was sent.
pub const EARLY_TIME: Duration = Duration::from_secs(1);

impl Ending {
    /// Whether an end reset the connection.
    pub fn is_reset(self) -> bool {
        matches!(self, Self::ClientReset | Self::BackendReset)
    }

    /// Whether an end reset the connection before it can have been of much use: [`EARLY_BYTES`] were not sent to the client,
    /// or it was younger than [`EARLY_TIME`].
    pub fn is_early_reset(self, sent_to_client: u64, age: Duration) -> bool {
        self.is_reset() && (sent_to_client < EARLY_BYTES || age < EARLY_TIME)
    }

    /// Whether every attempt to connect to the chosen backend failed.
    pub fn is_connect_failure(self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::ConnectRefused | Self::ConnectTls)
    }

    /// Whether the connection never reached a backend.
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

    /// Whether the proxy ended a connection that both ends still wanted.
    pub fn is_cut(self) -> bool {
        matches!(self, Self::MaxAge | Self::Moved | Self::DrainedByRoute | Self::Drained)
    }

    /// Whether what was said last is to arrive: the ends need no reset to know that this is not the whole.
    pub fn is_orderly(self) -> bool {
        matches!(
            self,
            Self::ClientClosed | Self::BackendClosed | Self::NoIdentity | Self::TlsFailed | Self::Denied
        )
    }

    /// Ended in order, by the end that was first.
    pub fn closed_by(side: Side) -> Self {
        match side {
            Side::Client => Self::ClientClosed,
            Side::Backend => Self::BackendClosed,
        }
    }

    /// Reset by an end.
    pub fn reset_by(side: Side) -> Self {
        match side {
            Side::Client => Self::ClientReset,
            Side::Backend => Self::BackendReset,
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoBackend => Self::NoBackend,
            Refusal::BackendUnavailable => Self::BackendUnavailable,
            Refusal::BackendDown => Self::BackendDown,
            Refusal::NoServerName => Self::NoServerName,
        }
    }
}

impl From<Full> for Ending {
    fn from(full: Full) -> Self {
        match full {
            Full::Connections => Self::BackendLimit,
            Full::Pending => Self::PendingLimit,
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
