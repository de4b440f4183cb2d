//! The part of a connection that stays from its acceptance to its end, whichever its stage.

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

/// A connection that was accepted.
pub(super) struct Connection {
    /// Its number in the connection log.
    pub(super) id: u64,
    /// Its place in the worker, which the events of its sockets name.
    pub(super) slot: u32,
    pub(super) client: OwnedFd,
    /// By the side that the bytes come from. Before there is a backend they hold what the client sent, and what
    /// events told about its socket: they tell it once.
    pub(super) directions: [Direction; 2],
    /// The listener as it was when it accepted the connection.
    pub(super) listener: Rc<LocalListener>,
    /// The generation of that configuration.
    pub(super) generation: u64,
    /// The client's address; the source of a PROXY header that says one.
    pub(super) peer: SocketAddr,
    /// Where it was meant to go, if the kernel redirected it here. In a box: others are the smaller for it.
    pub(super) destination: Option<Box<SocketAddr>>,
    /// Both ends as a PROXY header says; `None`: no header said any.
    pub(super) ends: Option<Box<Ends>>,
    /// The TLS server name; `None`: the listener does not route by it, or the client sent none.
    pub(super) server_name: Option<Box<str>>,
    /// TLS with either end; `None`: it is spoken with neither. In a box: plain connections are the smaller for it.
    pub(super) ciphers: Option<Box<Ciphers>>,
    /// The place of its mirror; `None`: it has none.
    pub(super) mirror: Option<u32>,
    pub(super) opened: Micros,
    /// Its place among all connections, and among those of the listener.
    pub(super) _places: [Place; 2],
}

impl Connection {
    /// The facts that a decision is made from.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            client: self.peer,
            server_name: self.server_name.as_deref(),
            destination: self.destination.as_deref().copied(),
        }
    }

    /// What was proven and agreed on with a side; `None`: it is spoken to in plaintext, or hands are still shaken.
    pub(super) fn tls_with(&self, side: Side) -> Option<TlsInfo> {
        let facts = self.ciphers.as_ref()?.sessions[side as usize].as_ref()?.facts()?;
        Some(TlsInfo { version: facts.version, peer_uris: facts.peer.uris })
    }

    /// Learns whom a client that has proven who it is asks for.
    pub(super) fn note_client(&mut self) {
        if self.server_name.is_none() {
            let session =
                self.ciphers.as_ref().and_then(|ciphers| ciphers.sessions[Side::Client as usize].as_ref());
            let facts = session.and_then(Session::facts);
            self.server_name = facts.and_then(|facts| facts.server_name).map(Into::into);
        }
    }

    /// Learns from an event what a socket can do now.
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
