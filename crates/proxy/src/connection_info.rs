//! Reports about live connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use l4::balance::Draw;
use l4::config::{Origin, ProxyName, TlsVersion};

/// Live connection, as its proxy knows it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Id of the connection, as in the connection log.
    pub id: u64,
    /// Proxy that carries it.
    pub proxy: ProxyName,
    /// Listener that accepted it.
    pub listener: Arc<str>,
    /// Destination that the client dialled, in the operator's words.
    pub destination: Arc<str>,
    /// Address of the client.
    pub client: SocketAddr,
    /// TLS server name; `None`: the listener does not route by it, or there is none.
    pub server_name: Option<Arc<str>>,
    /// TLS with the client; `None`: plaintext, or the handshake is not done.
    pub client_tls: Option<TlsInfo>,
    /// TLS with the endpoint; `None`: plaintext, or the handshake is not done.
    pub backend_tls: Option<TlsInfo>,
    /// Policy and rule that decided; `None`: no policy did.
    pub origin: Option<Origin>,
    /// Reference of the backend that was chosen first, in words; `None`: the connection went there.
    pub first_backend: Option<Arc<str>>,
    /// Reference of the chosen backend, in words; `None`: none is chosen yet.
    pub backend: Option<Arc<str>>,
    /// Cluster of the chosen backend; `None`: none is chosen yet.
    pub cluster: Option<Arc<str>>,
    /// Endpoint that is, or is being, connected to; `None`: none is chosen yet.
    pub endpoint: Option<SocketAddr>,
    /// Draw that chose the backend; `None`: the client's address did, or nothing is chosen yet.
    pub draw: Option<Draw>,
    /// Reference of the backend that gets a copy of what the client sends, in words; `None`: none does.
    pub mirror: Option<Arc<str>>,
    /// Generation of the configuration that decided.
    pub generation: u64,
    /// `true`: the endpoint is connected.
    pub connected: bool,
    /// Time since it was accepted.
    pub age: Duration,
    /// Bytes passed on from the client.
    pub bytes_from_client: u64,
    /// Bytes passed on to the client.
    pub bytes_to_client: u64,
    /// Process that dialled a direct connection, which is not relayed: then its bytes are those of the kernel.
    /// `None`: it is relayed.
    pub direct: Option<DirectInfo>,
}

/// Process that dialled a direct connection, which is not relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectInfo {
    /// Process id outside of all containers.
    pub process: u32,
    /// Command name of the process.
    pub command: Arc<str>,
    /// `true`: the bytes moved so far are known; they are 0 otherwise.
    pub counts: bool,
}

/// TLS with one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// TLS version in use.
    pub version: TlsVersion,
    /// URI names of the other end, in their order.
    pub peer_uris: Vec<String>,
}
