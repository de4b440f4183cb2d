//! MeshPassthrough: connections that may leave the mesh though they match no outbound.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::Merge;
use super::merge::{replaced, said};

said! {
    /// Conf of a MeshPassthrough about captured connections that match no outbound.
    PassthroughConf {
        /// Connections that are passed on; default `Matched`.
        mode: PassthroughMode,
        /// Destinations that are allowed, with [`PassthroughMode::Matched`].
        matches: PassthroughMatches,
    }
}

/// Connections that are passed on to their original destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PassthroughMode {
    /// All connections.
    All,
    /// No connections.
    None,
    /// Connections that fit one of the matches.
    #[default]
    Matched,
}

/// Destinations of connections. Unlike other lists, those of several policies are concatenated, the least important
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PassthroughMatches(pub Vec<PassthroughMatch>);

/// One destination outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassthroughMatch {
    /// Address or host name.
    pub to: PassthroughTo,
    /// Destination as the policy writes it.
    pub written: String,
    /// Port; absent: any.
    pub port: Option<NonZeroU16>,
    /// Protocol of the connections.
    pub protocol: PassthroughProtocol,
}

/// Address or host name of a destination outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PassthroughTo {
    /// Addresses whose first `prefix` bits are those of `address`.
    Network {
        /// Address; the bits behind the prefix are 0.
        address: IpAddr,
        /// Length of the prefix, in bits: 0 to 32 for IPv4, 0 to 128 for IPv6.
        prefix: u8,
    },
    /// Host name, or `*.` and a suffix, in lower case: matched by the server name of TLS.
    Domain(String),
}

/// Protocol of a destination outside the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PassthroughProtocol {
    /// TLS.
    Tls,
    /// Any protocol.
    #[default]
    Tcp,
    /// Any protocol; the server speaks first.
    Mysql,
    /// HTTP/1.1 in plaintext.
    Http,
    /// HTTP/2 in plaintext.
    Http2,
    /// gRPC in plaintext.
    Grpc,
}

replaced!(PassthroughMode);

impl Merge for PassthroughMatches {
    fn merge(&mut self, Self(over): &Self) {
        self.0.extend(over.iter().cloned());
    }
}

crate::words! {
    /// Name of the protocol in a policy.
    PassthroughProtocol { Tcp: "tcp", Tls: "tls", Grpc: "grpc", Http: "http", Http2: "http2", Mysql: "mysql" }
}
