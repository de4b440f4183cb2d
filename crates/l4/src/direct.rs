//! Connections that reach their endpoint without a relay, as whoever watches them tells.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::balance::Draw;
use crate::config::{Listener, Route};
use crate::decide::{Dial, RouteIndex};
use crate::ending::Ending;

/// A connection that was decided where it was dialled.
#[derive(Clone, Debug, PartialEq)]
pub struct Direct {
    /// Its number in the connection log; no relayed connection has the same.
    pub id: u64,
    /// The listener that it was dialled at, as it was then.
    pub listener: Arc<Listener>,
    /// The configuration since which it is decided like this.
    pub generation: u64,
    /// The draw that chose the backend.
    pub draw: Draw,
    /// The index of the backend that was drawn; `None`: the route has none to choose.
    pub first_backend: Option<usize>,
    /// The index of the backend that it went to, or whose share is refused; `None`: as above.
    pub backend: Option<usize>,
    /// The endpoint that was dialled; `None`: it was refused.
    pub endpoint: Option<Dial>,
    /// The client's address; unspecified when it was refused before it had one.
    pub client: SocketAddr,
    /// The process that dialled, by its number outside of all containers.
    pub process: u32,
    /// What that process calls itself, up to 15 bytes.
    pub command: Arc<str>,
}

impl Direct {
    /// The route that decides at listeners whose connections are decided where they are dialled: the first.
    pub const ROUTE: RouteIndex = RouteIndex(0);

    /// The route that decided.
    pub fn route(&self) -> Option<&Arc<Route>> {
        self.listener.route_at(Self::ROUTE)
    }
}

/// What was seen of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Which.
    pub connection: Direct,
    /// What became of it.
    pub news: News,
    /// How long ago that was.
    pub ago: Duration,
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It was established, so long after it was dialled.
    Opened(Duration),
    /// It ended, or could not be established, or was refused.
    Ended(Ended),
}

/// The end of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// More about it, in words; may be empty.
    pub why: Arc<str>,
    /// Bytes that the client sent, and that it received.
    pub bytes: [u64; 2],
    /// How long establishing it took; `None`: it never was.
    pub connect_time: Option<Duration>,
    /// The time since it was dialled.
    pub duration: Duration,
    /// The smoothed round-trip time, in microseconds; 0: not known.
    pub round_trip: u32,
    /// Segments that were sent again.
    pub sent_again: u32,
}
