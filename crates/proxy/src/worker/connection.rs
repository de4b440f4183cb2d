//! State of a connection from its acceptance to its end, in any stage.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use l4::decide::Facts;
use l4::ending::Side;
use l4::proxy_protocol::Ends;
use rustix::event::epoll::EventFlags;
use tls::Session;

use super::deadlines::Micros;
use super::listener::LocalListener;
use crate::connection_info::TlsInfo;
use crate::limits::Place;
use crate::relay::{Ciphers, Direction};

/// Connection that was accepted.
pub(super) struct Connection {
    /// Id in the connection log.
    pub(super) id: u64,
    /// Slot in the worker, which the events of its sockets name.
    pub(super) slot: u32,
    pub(super) client: OwnedFd,
    /// Directions by the side that the bytes come from. Before there is a backend they hold the bytes that the
    /// client sent, and the readiness of its socket: events report it once.
    pub(super) directions: [Direction; 2],
    /// Listener as it was when it accepted the connection.
    pub(super) listener: Rc<LocalListener>,
    /// Generation of that configuration.
    pub(super) generation: u64,
    /// Address of the client, or the source of a PROXY protocol header.
    pub(super) peer: SocketAddr,
    /// Original destination; `None`: the kernel did not redirect it. Boxed, to keep other connections small.
    pub(super) destination: Option<Box<SocketAddr>>,
    /// Both ends from a PROXY protocol header; `None`: there was none with addresses.
    pub(super) ends: Option<Box<Ends>>,
    /// TLS server name; `None`: the listener does not route by it, or the client sent none.
    pub(super) server_name: Option<Box<str>>,
    /// TLS with either end; `None`: with neither. Boxed, to keep plaintext connections small.
    pub(super) ciphers: Option<Box<Ciphers>>,
    /// Place of its mirror; `None`: it has none.
    pub(super) mirror: Option<u32>,
    pub(super) opened: Micros,
    /// Places among all connections, and among those of the listener.
    pub(super) _places: [Place; 2],
}

impl Connection {
    /// Returns the facts that a decision is made from.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            client: self.peer,
            server_name: self.server_name.as_deref(),
            destination: self.destination.as_deref().copied(),
        }
    }

    /// Returns the TLS with a side; `None`: plaintext, or the handshake is not done.
    pub(super) fn tls_with(&self, side: Side) -> Option<TlsInfo> {
        let facts = self.ciphers.as_ref()?.sessions[side as usize].as_ref()?.facts()?;
        Some(TlsInfo { version: facts.version, peer_uris: facts.peer.uris })
    }

    /// Records the server name of a client that has proven its identity.
    pub(super) fn note_client(&mut self) {
        if self.server_name.is_none() {
            let session =
                self.ciphers.as_ref().and_then(|ciphers| ciphers.sessions[Side::Client as usize].as_ref());
            let facts = session.and_then(Session::facts);
            self.server_name = facts.and_then(|facts| facts.server_name).map(Into::into);
        }
    }

    /// Updates the readiness of a socket from an event.
    pub(super) fn note(&mut self, side: Side, flags: EventFlags) {
        let end = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        let from = &mut self.directions[side as usize];
        if flags.intersects(EventFlags::IN | end) {
            from.readable = true;
        }
        if flags.contains(EventFlags::RDHUP) {
            from.last = true;
        }
        if flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR) {
            self.directions[side.other() as usize].writable = true;
        }
    }
}
