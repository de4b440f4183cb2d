//! MeshPassthrough: which connections leave the mesh that no outbound of a proxy is for.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::Merge;
use super::merge::{replaced, said};

said! {
    /// What a MeshPassthrough says about captured connections that no outbound is for.
    PassthroughConf {
        /// Which of them are passed on.
        mode: PassthroughMode,
        /// Where they may go, with [`PassthroughMode::Matched`].
        matches: PassthroughMatches,
    }
}

/// Which connections are passed on to where they were meant to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PassthroughMode {
    /// All of them.
    All,
    /// None of them.
    #[default]
    None,
    /// Those that fit one of the matches.
    Matched,
}

/// Where connections may go. Unlike other lists, those of several policies are put together, the least important first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PassthroughMatches(pub Vec<PassthroughMatch>);

/// One destination outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassthroughMatch {
    /// Where it is.
    pub to: PassthroughTo,
    /// The destination as the policy writes it.
    pub written: String,
    /// Its port; absent: any.
    pub port: Option<NonZeroU16>,
    /// What is spoken.
    pub protocol: PassthroughProtocol,
}

/// Where a destination outside the mesh is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PassthroughTo {
    /// The addresses whose first `prefix` bits are those of `address`.
    Network {
        /// The address; the bits behind the prefix mean nothing.
        address: IpAddr,
        /// How many bits count: of an IPv4 address 0 to 32, of an IPv6 address 0 to 128.
        prefix: u8,
    },
    /// A host name, or `*.` and the end of some, in lower case: known by the server name of TLS.
    Domain(String),
}

/// What is spoken with a destination outside the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PassthroughProtocol {
    /// TLS.
    Tls,
    /// Anything.
    #[default]
    Tcp,
    /// Anything; the server speaks first.
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

impl PassthroughProtocol {
    /// Every protocol.
    pub const ALL: [PassthroughProtocol; 6] = [
        PassthroughProtocol::Tcp,
        PassthroughProtocol::Tls,
        PassthroughProtocol::Grpc,
        PassthroughProtocol::Http,
        PassthroughProtocol::Http2,
        PassthroughProtocol::Mysql,
    ];

    /// The protocol as a policy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            PassthroughProtocol::Tcp => "tcp",
            PassthroughProtocol::Tls => "tls",
            PassthroughProtocol::Grpc => "grpc",
            PassthroughProtocol::Http => "http",
            PassthroughProtocol::Http2 => "http2",
            PassthroughProtocol::Mysql => "mysql",
        }
    }
}
