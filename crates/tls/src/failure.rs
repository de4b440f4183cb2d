//! Failures of TLS connections.

use s2n_tls::error::{Error, ErrorType};

use crate::rule::Distrust;

/// Reason why a TLS connection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer presented a certificate that is not trusted.
    #[error("{0}")]
    Distrusted(#[from] Distrust),
    /// The peer presented no certificate.
    #[error("it showed no certificate")]
    NoCertificate,
    /// The peer's certificate has expired, or is not valid yet.
    #[error("its certificate is not valid now: {0}")]
    Expired(&'static str),
    /// No trusted authority has signed the peer's certificate for this use.
    #[error("its certificate is not trusted: {0}")]
    BadChain(&'static str),
    /// The peer aborted, with this alert.
    #[error("it gave up with alert {0}{name}", name = alert_name(*.0))]
    Alert(u8),
    /// The peer ended its connection before the handshake was done.
    #[error("it ended inside the TLS handshake")]
    Ended,
    /// The bytes of the peer are not TLS, or not a version that this proxy speaks.
    #[error("{0}")]
    Protocol(&'static str),
}

impl Failure {
    /// All names in logs and metrics.
    pub const WORDS: [&'static str; 9] = [
        "bad-chain",
        "no-uri-name",
        "unknown-domain",
        "name-not-allowed",
        "no-certificate",
        "expired",
        "alert",
        "ended",
        "protocol",
    ];

    /// Name in logs and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Distrusted(distrust) => distrust.word(),
            Self::NoCertificate => "no-certificate",
            Self::Expired(_) => "expired",
            Self::BadChain(_) => "bad-chain",
            Self::Alert(_) => "alert",
            Self::Ended => "ended",
            Self::Protocol(_) => "protocol",
        }
    }

    /// Failure for an error of the library; `alert`: the last alert of the peer.
    pub(crate) fn of(error: &Error, alert: Option<u8>) -> Self {
        if error.kind() == ErrorType::Alert {
            return Self::Alert(alert.unwrap_or_default());
        }
        match error.name() {
            "S2N_ERR_CERT_EXPIRED" | "S2N_ERR_CERT_NOT_YET_VALID" => Self::Expired(error.message()),
            "S2N_ERR_MISSING_CLIENT_CERT" | "S2N_ERR_NO_CERT_FOUND" => Self::NoCertificate,
            name if name.starts_with("S2N_ERR_CERT_") => Self::BadChain(error.message()),
            _ => Self::Protocol(error.message()),
        }
    }
}

/// Name of an alert, in brackets; empty for a rare one.
fn alert_name(alert: u8) -> &'static str {
    match alert {
        10 => " (unexpected message)",
        20 => " (bad record)",
        40 => " (handshake failure)",
        42 => " (bad certificate)",
        43 => " (unsupported certificate)",
        45 => " (certificate expired)",
        46 => " (certificate unknown)",
        47 => " (illegal parameter)",
        48 => " (unknown CA)",
        51 => " (decrypt error)",
        70 => " (protocol version)",
        80 => " (internal error)",
        112 => " (unrecognised name)",
        116 => " (certificate required)",
        120 => " (no application protocol)",
        _ => "",
    }
}
