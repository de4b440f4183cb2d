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

impl Protocol {
    /// Name of the protocol; `<unknown>` for [`Protocol::Unknown`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Unknown => "<unknown>",
            Protocol::Tcp => "tcp",
            Protocol::Tls => "tls",
            Protocol::Http => "http",
            Protocol::Http2 => "http2",
            Protocol::Grpc => "grpc",
            Protocol::Kafka => "kafka",
            Protocol::Mysql => "mysql",
        }
    }

    /// Parses a protocol; case-insensitive; [`Protocol::Unknown`] for another word.
    pub fn from_text(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "tls" => Protocol::Tls,
            "http" => Protocol::Http,
            "http2" => Protocol::Http2,
            "grpc" => Protocol::Grpc,
            "kafka" => Protocol::Kafka,
            "mysql" => Protocol::Mysql,
            _ => Protocol::Unknown,
        }
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
