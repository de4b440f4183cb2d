//! Protocols of destinations.

use std::fmt;

/// Protocol of a service, from its tag or `appProtocol` (spec 04 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are the protocols'
pub enum Protocol {
    /// Missing, an unknown word, or not the same for all endpoints.
    Unknown,
    Tcp,
    Tls,
    Http,
    Http2,
    Grpc,
    Kafka,
    Mysql,
}

crate::words! {
    /// Name of the protocol; `<unknown>` for [`Protocol::Unknown`].
    Protocol {
        Unknown: "<unknown>", Tcp: "tcp", Tls: "tls", Http: "http", Http2: "http2", Grpc: "grpc", Kafka: "kafka",
        Mysql: "mysql",
    }
}

impl Protocol {
    /// Parses a protocol; case-insensitive; [`Protocol::Unknown`] for another word.
    pub fn from_text(text: &str) -> Self {
        let known = Self::ALL.into_iter().find(|known| text.eq_ignore_ascii_case(known.as_str()));
        known.unwrap_or(Protocol::Unknown)
    }

    /// Returns `true` if MeshHTTPRoute owns destinations with this protocol.
    pub const fn is_http_like(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Http2 | Protocol::Grpc)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
