//! Accepting of connections, and the handling of its errors.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use l4::config::Direction as ConfigDirection;
use l4::ending::Ending;
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};

use super::Worker;
use super::connection::Connection;
use super::end::reset;
use super::listener::{ListenSocket, LocalListener};
use super::opening::Opening;
use super::redirected::{Redirected, redirected};
use super::shaking::Shaking;
use super::stage::Stage;
use crate::log::Record;
use crate::relay::Direction;

/// Limit on connections that one event accepts before others are served.
const BURST: usize = 64;

/// Result of an attempt to accept.
#[derive(PartialEq, Eq)]
enum Accepted {
    /// There may be more to accept.
    One,
    /// There is nothing to accept now.
    None,
}

impl Worker {
    /// Accepts some of the connections that wait at a listener.
    pub(super) fn accept(&mut self, index: usize) {
        for _ in 0..BURST {
            if self.accept_one(index) == Accepted::None {
                return;
            }
        }
    }

    /// Accepts all connections that wait at a listener.
    pub(super) fn accept_all(&mut self, index: usize) {
        while self.accept_one(index) == Accepted::One {}
    }

    fn accept_one(&mut self, index: usize) -> Accepted {
        let Some(Some(listening)) = self.env.sockets.get(index) else { return Accepted::None };
        match accept_from(listening) {
            Ok((client, peer)) => {
                let address = listening.address;
                self.reserve.enough();
                if let Some(client) = self.hand_over(client, peer, address) {
                    self.arrive(index, client, peer);
                }
                Accepted::One
            }
            Err(Errno::AGAIN) => Accepted::None,
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => {
                if self.reserve.short(self.env.now) {
                    self.refuse_waiting(index, errno);
                }
                self.env.rest_accepting(errno);
                Accepted::None
            }
            // the client has gone already, or the connection was interrupted: the next one is not affected
            Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => Accepted::One,
            Err(errno) => {
                self.env.rest_accepting(errno);
                Accepted::None
            }
        }
    }

    /// Carries a connection that came to a listener.
    pub(super) fn arrive(&mut self, index: usize, client: OwnedFd, peer: SocketAddr) {
        let Some(Some(listening)) = self.env.sockets.get(index) else { return };
        // connections as from other hosts are dialled from an address that no rule redirects
        let is_outbound = listening.local.config.direction == ConfigDirection::Outbound;
        let passing = is_outbound.then_some(&self.env.shared.passing);
        let redirected = listening.claims.as_ref().map(|claims| redirected(claims, &client, peer, passing));
        let local = Rc::clone(&listening.local);
        match redirected {
            None => self.welcome(client, peer, local, None),
            Some(Ok(Redirected { listener, destination })) => {
                self.welcome(client, peer, listener.unwrap_or(local), Some(destination));
            }
            Some(Err(why)) => {
                local.counters.accepted.add(1);
                let id = self.take_id();
                self.turn_away(id, &client, peer, &local, Ending::Loop, &why);
            }
        }
    }

    fn welcome(
        &mut self,
        client: OwnedFd,
        peer: SocketAddr,
        listener: Rc<LocalListener>,
        destination: Option<SocketAddr>,
    ) {
        listener.counters.accepted.add(1);
        let id = self.take_id();
        let Some(all) = self.env.shared.places.take() else {
            let why = "the proxy has as many connections as it may have";
            return self.turn_away(id, &client, peer, &listener, Ending::Limit, why);
        };
        let Some(own) = listener.places.take() else {
            let why = "the listener has as many connections as it may have";
            return self.turn_away(id, &client, peer, &listener, Ending::Limit, why);
        };
        listener.counters.active.add(1);
        let waits = listener.config.client_speaks_first(peer.ip());
        let (generation, opened) = (self.generation, self.env.now);
        let mut directions = [Direction::default(), Direction::default()];
        directions[1].writable = true;
        let connection = |slot| Connection {
            id,
            slot,
            client,
            directions,
            listener,
            generation,
            peer,
            destination: destination.map(Box::new),
            ends: None,
            server_name: None,
            ciphers: None,
            mirror: None,
            opened,
            _places: [all, own],
        };
        let slot = self.slots.insert(|slot| (connection(slot), Stage::Shaking(Shaking::Settled)));
        self.step(slot, |connection, stage, env| match waits {
            true => Opening::begin(connection, env).into(),
            false => stage,
        });
    }

    fn take_id(&mut self) -> u64 {
        let next = self.next_id + self.env.shared.workers as u64;
        std::mem::replace(&mut self.next_id, next)
    }

    /// Refuses the connections that wait at a listener, after descriptors have been exhausted for too long: one
    /// after the other, with the reserved descriptor.
    fn refuse_waiting(&mut self, index: usize, errno: Errno) {
        for _ in 0..BURST {
            let Some(Some(listening)) = self.env.sockets.get(index) else { return };
            if !self.reserve.give() {
                break;
            }
            let accepted = accept_from(listening);
            let local = Rc::clone(&listening.local);
            if let Ok((client, peer)) = &accepted {
                local.counters.accepted.add(1);
                let id = self.take_id();
                let why = format!("no descriptor for the client: {errno}");
                self.turn_away(id, client, *peer, &local, Ending::Limit, &why);
            }
            let is_over = accepted.is_err();
            drop(accepted);
            self.reserve.refill(&self.env.epoll);
            if is_over {
                break;
            }
        }
    }

    fn turn_away(
        &mut self,
        id: u64,
        client: &OwnedFd,
        peer: SocketAddr,
        local: &LocalListener,
        ending: Ending,
        why: &str,
    ) {
        reset(client);
        local.counters.ended[ending as usize].add(1);
        if self.env.log.wants(&local.outputs) {
            let record = Record {
                started: jiff::Timestamp::now(),
                id,
                listener: &local.config,
                generation: self.generation,
                client: peer,
                original_destination: None,
                server_name: None,
                ciphers: None,
                mirror: None,
                route: None,
                first_backend: None,
                backend: None,
                endpoint: None,
                draw: None,
                attempts: 0,
                bytes: [0, 0],
                connect_time: None,
                duration: Duration::ZERO,
                ending,
                why,
                direct: None,
            };
            self.env.log.write(&record, &local.outputs);
        }
    }

    /// Resumes accepting after [`rest_accepting`](super::env::Env::rest_accepting).
    pub(super) fn resume_accepting(&mut self) {
        self.env.accept_again = None;
        self.reserve.refill(&self.env.epoll);
        for (index, listening) in self.env.sockets.iter().enumerate() {
            if let Some(listening) = listening {
                self.watch_listener(index, listening);
            }
        }
    }
}

/// Accepts the first connection that waits.
fn accept_from(listening: &ListenSocket) -> Result<(OwnedFd, SocketAddr), Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (client, peer) = acceptfrom_with(&listening.socket, flags)?;
    let peer = peer.and_then(|peer: SocketAddrAny| SocketAddr::try_from(peer).ok());
    Ok((client, peer.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))))
}
