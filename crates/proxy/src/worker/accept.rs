//! Accepting connections, and what to do when that fails.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use l4::ending::Ending;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};

use super::Worker;
use super::connection::{Connection, Stage};
use super::finish::reset;
use super::live::Live;
use crate::log::Record;
use crate::relay::Direction;

/// How many connections one event accepts before others are served.
const BURST: usize = 64;
/// How long accepting rests when the process or the host is out of something.
const REST: Duration = Duration::from_millis(100);
/// How long nothing more is said about that.
const SILENCE: Duration = Duration::from_secs(10);

/// Whether there may be more to accept.
#[derive(PartialEq, Eq)]
enum Accepted {
    One,
    None,
}

impl Worker {
    /// Accepts some of those who wait at a listener.
    pub(super) fn accept(&mut self, index: usize) {
        for _ in 0..BURST {
            if self.accept_one(index) == Accepted::None {
                return;
            }
        }
    }

    /// Accepts all who wait at a listener.
    pub(super) fn accept_all(&mut self, index: usize) {
        while self.accept_one(index) == Accepted::One {}
    }

    fn accept_one(&mut self, index: usize) -> Accepted {
        let Some(Some(listening)) = self.sockets.get(index) else { return Accepted::None };
        match acceptfrom_with(&listening.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((client, peer)) => {
                let live = Rc::clone(&listening.live);
                self.spare.enough();
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                self.welcome(client, peer.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0))), live);
                Accepted::One
            }
            Err(Errno::AGAIN) => Accepted::None,
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => {
                if self.spare.short(self.now) {
                    self.refuse_waiting(index, errno);
                }
                self.rest_accepting(errno);
                Accepted::None
            }
            // the client has gone already, or was interrupted on its way: the next one is no worse for it
            Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => Accepted::One,
            Err(errno) => {
                self.rest_accepting(errno);
                Accepted::None
            }
        }
    }

    fn welcome(&mut self, client: OwnedFd, peer: SocketAddr, live: Rc<Live>) {
        live.counters.accepted.add(1);
        let id = self.next_id;
        self.next_id += self.shared.workers as u64;
        let Some(all) = self.shared.places.take() else {
            return self.turn_away(
                id,
                &client,
                peer,
                &live,
                "the proxy has as many connections as it may have",
            );
        };
        let Some(own) = live.places.take() else {
            return self.turn_away(
                id,
                &client,
                peer,
                &live,
                "the listener has as many connections as it may have",
            );
        };
        live.counters.active.add(1);
        let waits = live.listener.client_speaks_first();
        let mut directions = [Direction::default(), Direction::default()];
        directions[1].writable = true;
        let slot = self.slots.insert(Connection {
            id,
            client,
            backend: None,
            stage: if live.listener.accept_proxy_protocol { Stage::Header } else { Stage::Hello },
            directions,
            live,
            generation: self.generation,
            peer,
            ends: None,
            server_name: None,
            draw: None,
            forward: None,
            booking: None,
            refused_on: None,
            attempts: 0,
            opened: self.now,
            since: self.now,
            connect_time: None,
            endpoint: None,
            queued: false,
            outdated: false,
            close_at: None,
            apart: false,
            first_end: None,
            _places: [all, own],
        });
        if waits { self.await_client(slot) } else { self.open(slot) }
    }

    /// Refuses those who wait at a listener, as there has been no descriptor for them for too long: one after the other,
    /// with the descriptor that is kept for this.
    fn refuse_waiting(&mut self, index: usize, errno: Errno) {
        for _ in 0..BURST {
            let Some(Some(listening)) = self.sockets.get(index) else { return };
            if !self.spare.give() {
                break;
            }
            let accepted = acceptfrom_with(&listening.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
            let live = Rc::clone(&listening.live);
            if let Ok((client, peer)) = &accepted {
                live.counters.accepted.add(1);
                let id = self.next_id;
                self.next_id += self.shared.workers as u64;
                let peer = peer.as_ref().and_then(|peer| SocketAddr::try_from(peer.clone()).ok());
                let peer = peer.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
                self.turn_away(id, client, peer, &live, &format!("no descriptor for the client: {errno}"));
            }
            let is_over = accepted.is_err();
            drop(accepted);
            self.spare.refill(&self.epoll);
            if is_over {
                break;
            }
        }
    }

    fn turn_away(&mut self, id: u64, client: &OwnedFd, peer: SocketAddr, live: &Live, why: &str) {
        reset(client);
        live.counters.ended[Ending::Limit as usize].add(1);
        if self.log.wants(&live.outputs) {
            let record = Record {
                started: jiff::Timestamp::now(),
                id,
                listener: &live.listener,
                generation: self.generation,
                client: peer,
                server_name: None,
                route: None,
                first_backend: None,
                backend: None,
                endpoint: None,
                draw: None,
                attempts: 0,
                bytes: [0, 0],
                connect_time: None,
                duration: Duration::ZERO,
                ending: Ending::Limit,
                why,
            };
            self.log.write(&record, &live.outputs);
        }
    }

    /// Leaves those who wait where they are for a moment, instead of being woken by them without end.
    pub(super) fn rest_accepting(&mut self, errno: Errno) {
        if self.told_exhausted.is_none_or(|told| self.now.since(told) >= SILENCE) {
            self.told_exhausted = Some(self.now);
            tracing::warn!(worker = self.index, %errno, "cannot accept connections; trying again in a moment");
        }
        self.counters.rests.add(u64::from(self.accept_again.is_none()));
        if self.accept_again.replace(self.now + REST).is_none() {
            for listening in self.sockets.iter().flatten() {
                let _ = epoll::delete(&self.epoll, &listening.socket);
            }
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        self.accept_again = None;
        self.spare.refill(&self.epoll);
        for (index, listening) in self.sockets.iter().enumerate() {
            if let Some(listening) = listening {
                self.watch_listener(index, listening);
            }
        }
    }
}
