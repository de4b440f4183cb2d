//! A connection that lives, for whoever looks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use l4::balance::Draw;
use l4::config::{Origin, ProxyName, TlsVersion};

/// A connection that lives, as its proxy knows it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Its number, as in the connection log.
    pub id: u64,
    /// The proxy that carries it.
    pub proxy: ProxyName,
    /// The listener that accepted it.
    pub listener: Arc<str>,
    /// The destination that the client dialled, in the operator's words.
    pub destination: Arc<str>,
    /// The client's address.
    pub client: SocketAddr,
    /// The TLS server name, where the listener routes by it.
    pub server_name: Option<Arc<str>>,
    /// TLS with the client; `None`: in plaintext, or hands are still shaken.
    pub client_tls: Option<TlsInfo>,
    /// TLS with the endpoint; `None`: in plaintext, or hands are still shaken.
    pub backend_tls: Option<TlsInfo>,
    /// The policy and rule that decided; `None`: no policy did.
    pub origin: Option<Origin>,
    /// The reference of the backend that was chosen first, in words; `None` when the connection went there.
    pub first_backend: Option<Arc<str>>,
    /// The chosen backend's reference in words.
    pub backend: Option<Arc<str>>,
    /// Its cluster.
    pub cluster: Option<Arc<str>>,
    /// The endpoint that is, or is being, connected to.
    pub endpoint: Option<SocketAddr>,
    /// The draw that chose the backend; `None` where the client's address did, or nothing is chosen yet.
    pub draw: Option<Draw>,
    /// The reference of the backend that gets a copy of what the client sends, in words; `None`: none does.
    pub mirror: Option<Arc<str>>,
    /// The generation of the configuration that decided.
    pub generation: u64,
    /// The endpoint is connected.
    pub connected: bool,
    /// The time since it was accepted.
    pub age: Duration,
    /// Bytes passed on from the client.
    pub bytes_from_client: u64,
    /// Bytes passed on to the client.
    pub bytes_to_client: u64,
    /// Who dialled, where nobody relays the connection: then its bytes are those of the kernel. `None`: it is
    /// relayed.
    pub direct: Option<DirectInfo>,
}

/// Who dialled a connection that nobody relays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectInfo {
    /// The process, by its number outside of all containers.
    pub process: u32,
    /// What it calls itself.
    pub command: Arc<str>,
    /// Whether the bytes that moved so far are known; they are 0 otherwise.
    pub counts: bool,
}

/// What was proven and agreed on with an end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// The version that is spoken.
    pub version: TlsVersion,
    /// The URI names of the other end, in their order.
    pub peer_uris: Vec<String>,
}
