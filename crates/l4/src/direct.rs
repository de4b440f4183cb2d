//! Direct connections, which reach their endpoint without a relay, as reported by their observer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::Draw;
use crate::config::{Listener, Route};
use crate::decide::{Dial, RouteIndex};
use crate::ending::Ending;

/// Direct connection, decided where it was dialled.
#[derive(Clone, Debug, PartialEq)]
pub struct Direct {
    /// Number in the connection log; no relayed connection has the same.
    pub id: u64,
    /// Listener that it was dialled at, in its configuration at that time.
    pub listener: Arc<Listener>,
    /// Generation of the configuration since which it is decided like this.
    pub generation: u64,
    /// Draw that chose the backend.
    pub draw: Draw,
    /// Index of the backend that was drawn; `None`: the route has none to choose.
    pub first_backend: Option<usize>,
    /// Index of the backend that it went to, or whose share is refused; `None`: as above.
    pub backend: Option<usize>,
    /// Endpoint that was dialled; `None`: it was refused.
    pub endpoint: Option<Dial>,
    /// Client address; unspecified if it was refused before it had one.
    pub client: SocketAddr,
    /// Process that dialled: its PID in the initial namespace.
    pub process: u32,
    /// Name of that process (`comm`), up to 15 bytes.
    pub command: Arc<str>,
}

impl Direct {
    /// Route of every direct connection: the first of its listener.
    pub const ROUTE: RouteIndex = RouteIndex(0);

    /// Route that decided.
    pub fn route(&self) -> Option<&Arc<Route>> {
        self.listener.route_at(Self::ROUTE)
    }
}

/// Observation of a direct connection.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectEvent {
    /// Connection.
    pub connection: Direct,
    /// Event.
    pub news: DirectEventKind,
    /// Time since the event.
    pub ago: Duration,
}

/// Event of a direct connection.
#[derive(Clone, Debug, PartialEq)]
pub enum DirectEventKind {
    /// Established, this long after it was dialled.
    Opened(Duration),
    /// Ended, failed to connect, or refused.
    Ended(Ended),
}

/// End of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Kind of the end.
    pub ending: Ending,
    /// Details in words; may be empty.
    pub why: Arc<str>,
    /// Bytes that the client sent, and bytes that it received.
    pub bytes: [u64; 2],
    /// Time to connect; `None`: never established.
    pub connect_time: Option<Duration>,
    /// Time since it was dialled.
    pub duration: Duration,
    /// Smoothed round-trip time, in microseconds; 0: unknown.
    pub round_trip: u32,
    /// Number of retransmitted segments.
    pub sent_again: u32,
}
