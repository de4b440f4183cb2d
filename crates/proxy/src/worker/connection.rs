//! One connection: two sockets, two directions, and the decision that it was born with.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use l4::balance::Draw;
use l4::config::{Backend, Route};
use l4::decide::{Forward, RouteIndex};
use l4::ending::{Ending, Side};
use l4::proxy_protocol::Ends;
use rustix::net::{Shutdown, shutdown};

use super::cluster::Booking;
use super::deadlines::Micros;
use super::live::Live;
use crate::connection_info::ConnectionInfo;
use crate::counters::EndpointCounters;
use crate::limits::Place;
use crate::relay::{Direction, Fault, Kit, Pumped, pump};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The PROXY header is awaited.
    Header,
    /// The client hello is awaited.
    Hello,
    /// An endpoint is being dialled.
    Connecting,
    /// Bytes move.
    Relaying,
}

/// One connection of a worker.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) client: OwnedFd,
    pub(super) backend: Option<OwnedFd>,
    pub(super) stage: Stage,
    /// By the side that the bytes come from.
    pub(super) directions: [Direction; 2],
    pub(super) live: Rc<Live>,
    pub(super) generation: u64,
    /// Who connected; as a PROXY header says, where one did.
    pub(super) peer: SocketAddr,
    /// Both ends, as a PROXY header says.
    pub(super) ends: Option<Box<Ends>>,
    pub(super) server_name: Option<Box<str>>,
    pub(super) draw: Option<Draw>,
    pub(super) forward: Option<Forward>,
    /// What it takes up of its endpoint and cluster while `forward` holds.
    pub(super) booking: Option<Booking>,
    /// The route and backend whose share was refused.
    pub(super) refused_on: Option<(RouteIndex, Option<usize>)>,
    pub(super) attempts: u32,
    pub(super) opened: Micros,
    /// When this stage began, or bytes moved last.
    pub(super) since: Micros,
    pub(super) connect_time: Option<Duration>,
    /// What is counted for the endpoint, once it is connected.
    pub(super) endpoint: Option<Arc<EndpointCounters>>,
    /// Whether it waits for its turn among those that move bulk.
    pub(super) queued: bool,
    /// Whether the weights that decided are no longer those of its route.
    pub(super) outdated: bool,
    /// When the grace of a backend that was removed is over.
    pub(super) close_at: Option<Micros>,
    /// Whether its sockets are among those of streams.
    pub(super) apart: bool,
    /// Who ended first.
    pub(super) first_end: Option<Side>,
    pub(super) _places: [Place; 2],
}

/// What there is to do for a connection after bytes moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Wait for a socket.
    Wait,
    /// Take another turn.
    More,
    /// Look again a little later, whether or not an event tells of more.
    Rest,
    /// End.
    End(Ending, Option<rustix::io::Errno>),
}

impl Connection {
    /// Moves the bytes of one direction, and passes on its end.
    pub(super) fn carry(&mut self, from: Side, now: Micros, kit: &mut Kit, quantum: u32) -> Flow {
        let Some(backend) = &self.backend else { return Flow::Wait };
        let (source, destination) = match from {
            Side::Client => (self.client.as_fd(), backend.as_fd()),
            Side::Backend => (backend.as_fd(), self.client.as_fd()),
        };
        let direction = &mut self.directions[from as usize];
        let before = direction.moved;
        let pumped = pump(direction, source, destination, kit, quantum);
        let moved = direction.moved - before;
        if moved > 0 {
            self.since = now;
            if let Some(counters) =
                self.forward.and_then(|forward| self.live.backend(forward.route, forward.backend))
            {
                counters.counters.bytes[from as usize].add(moved);
            }
            if let Some(endpoint) = &self.endpoint {
                endpoint.bytes[from as usize].add(moved);
            }
        }
        match pumped {
            Pumped::Blocked => Flow::Wait,
            Pumped::More => Flow::More,
            Pumped::Drained => Flow::Rest,
            Pumped::Failed(Fault::Source(errno)) => Flow::End(Ending::reset_by(from), Some(errno)),
            Pumped::Failed(Fault::Destination(errno)) => {
                Flow::End(Ending::reset_by(from.other()), Some(errno))
            }
            Pumped::Finished => {
                let first = *self.first_end.get_or_insert(from);
                if self.directions[from.other() as usize].is_finished() {
                    return Flow::End(Ending::closed_by(first), None);
                }
                match shutdown(destination, Shutdown::Write) {
                    Ok(()) => Flow::Wait,
                    Err(errno) => Flow::End(Ending::reset_by(from.other()), Some(errno)),
                }
            }
        }
    }

    /// When a connection that relays is ended, unless bytes move before that; and how, and why.
    pub(super) fn due(&self) -> Option<(Micros, Ending, &'static str)> {
        let listener = &self.live.listener;
        let idle = listener
            .idle_timeout
            .map(|idle| (self.since + idle, Ending::IdleTimeout, "nothing moved in either direction"));
        let old = listener.max_age.map(|age| {
            (self.opened + age, Ending::MaxAge, "it is as old as the listener lets connections become")
        });
        let removed = self.close_at.map(|at| {
            (at, Ending::DrainedByRoute, "its backend was removed from the route, and the grace is over")
        });
        [idle, old, removed].into_iter().flatten().min_by_key(|(due, ..)| *due)
    }

    /// Whether a direction moves bulk.
    pub(super) fn is_bulk(&self) -> bool {
        self.directions.iter().any(Direction::is_bulk)
    }

    /// Whether a direction is spliced.
    pub(super) fn is_streaming(&self) -> bool {
        self.directions.iter().any(Direction::is_streaming)
    }

    /// The route that decided, once it did.
    pub(super) fn route(&self) -> Option<&Route> {
        let forwarded = self.forward.map(|forward| forward.route);
        let route = forwarded.or(self.refused_on.map(|(route, _)| route))?;
        self.live.listener.route_at(route).map(|route| &**route)
    }

    /// The backend that was chosen, once it was.
    pub(super) fn chosen(&self) -> Option<&Backend> {
        let forwarded = self.forward.map(|forward| forward.backend);
        let backend = forwarded.or(self.refused_on.and_then(|(_, backend)| backend))?;
        self.route()?.backends.get(backend)
    }

    /// The backend that was chosen first, if the connection went to another one.
    pub(super) fn chosen_first(&self) -> Option<&Backend> {
        let forward = self.forward.filter(|forward| forward.first_backend() != forward.backend)?;
        self.route()?.backends.get(forward.first_backend())
    }

    /// The draw, where it decided: on a sticky route the client's address did.
    pub(super) fn deciding_draw(&self) -> Option<Draw> {
        self.draw.filter(|_| self.route().is_none_or(|route| route.sticky.is_none()))
    }

    /// What there is to tell about it.
    pub(super) fn info(&self, now: Micros) -> ConnectionInfo {
        let listener = &self.live.listener;
        let origin = self.route().and_then(|route| route.origin.clone());
        ConnectionInfo {
            id: self.id,
            proxy: listener.proxy.clone(),
            listener: listener.name.clone(),
            destination: listener.destination.clone(),
            client: self.peer,
            server_name: self.server_name.as_deref().map(Into::into),
            origin,
            first_backend: self.chosen_first().map(|backend| backend.reference.clone()),
            backend: self.chosen().map(|backend| backend.reference.clone()),
            cluster: self.chosen().map(|backend| backend.cluster_name().into()),
            endpoint: self.forward.map(|forward| forward.endpoint.address),
            draw: self.deciding_draw(),
            generation: self.generation,
            connected: self.stage == Stage::Relaying,
            age: now.since(self.opened),
            bytes_from_client: self.directions[0].moved,
            bytes_to_client: self.directions[1].moved,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_connection_takes_less_than_half_a_kibibyte() {
        let bytes = std::mem::size_of::<Option<super::Connection>>();
        assert!(bytes <= 416, "{bytes}");
    }
}
