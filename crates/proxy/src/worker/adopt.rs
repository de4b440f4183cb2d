//! Adoption of a new configuration: sockets are added and removed, connections stay as they are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use l4::balance::Balance;
use l4::claims::Claims;
use l4::config::{Arrival, Listener, Match, ProxyName, Target};
use rustix::event::epoll::{self, EventFlags};

use super::cluster::LocalCluster;
use super::existing::Changed;
use super::listener::{ListenSocket, LocalBackend, LocalListener, SharedBalance};
use super::token::Token;
use super::vanished::notice;
use super::{Adoption, Worker};
use crate::counters::ListenerKey;
use crate::log::Format;
use crate::pinning::prefer;

impl Worker {
    /// Serves another set of listeners. Sockets whose address stays are kept, with the connections that wait in
    /// their queues.
    pub(super) fn adopt(&mut self, adoption: Adoption) {
        let Adoption { generation, listeners, contexts, sockets, done } = adoption;
        let believes_others = !contexts.believes_as(&self.contexts);
        self.contexts = contexts;
        if believes_others {
            for cluster in self.clusters.values_mut() {
                let cell = Arc::clone(cluster.cell());
                *cluster = Rc::new(cluster.carried_over(cell, &self.contexts));
            }
        }
        self.generation = generation;
        let opened = listeners.iter().filter(|listener| listener.arrival.is_opened());
        let by_address: BTreeMap<SocketAddr, &Arc<Listener>> =
            opened.map(|listener| (listener.address, listener)).collect();
        let mut changed = Vec::new();
        for index in 0..self.env.sockets.len() {
            let Some(socket) = &self.env.sockets[index] else { continue };
            match by_address.get(&socket.address) {
                None => self.close_listener(index),
                Some(listener) if Arc::ptr_eq(&socket.local.config, listener) => {}
                Some(listener) => {
                    let now = self.local(listener);
                    if let Some(socket) = &mut self.env.sockets[index] {
                        let before = std::mem::replace(&mut socket.local, Rc::clone(&now));
                        changed.push(Changed { before, now });
                    }
                }
            }
        }
        // an address that was taken over may have several sockets
        for (address, socket) in sockets {
            if let Some(listener) = by_address.get(&address) {
                let local = self.local(listener);
                self.open_listener(ListenSocket { address, socket, local, claims: None });
            }
        }
        self.capture(&listeners, &mut changed);
        self.follow_change(&changed);
        self.forget_balances(&listeners);
        self.clusters.retain(|_, cluster| Rc::strong_count(cluster) > 1);
        self.env.counters.forget_unused();
        self.env.shared.settle_places();
        drop(done);
    }

    /// Serves captured listeners, and assigns them to the sockets that their connections come to.
    fn capture(&mut self, listeners: &[Arc<Listener>], changed: &mut Vec<Changed>) {
        let mut before = std::mem::take(&mut self.captured);
        for listener in listeners.iter().filter(|listener| !listener.arrival.is_opened()) {
            let key = key(listener);
            let now = match before.remove(&key) {
                Some(before) if Arc::ptr_eq(&before.config, listener) => before,
                before => {
                    let now = self.local(listener);
                    changed.extend(before.map(|before| Changed { before, now: Rc::clone(&now) }));
                    now
                }
            };
            self.captured.insert(key, now);
        }
        for listening in self.env.sockets.iter_mut().flatten() {
            let config = &listening.local.config;
            let its_own = self
                .captured
                .values()
                .filter(|it| (&it.config.proxy, it.config.direction) == (&config.proxy, config.direction))
                .map(|it| (&*it.config, Rc::clone(it)));
            let is_redirected = config.arrival == Arrival::Redirected;
            listening.claims = is_redirected.then(|| Rc::new(Claims::of(its_own)));
        }
    }

    /// Stops accepting; connections that are waiting already are still served.
    pub(super) fn stop_accepting(&mut self) {
        for index in 0..self.env.sockets.len() {
            self.close_listener(index);
        }
        self.env.sockets.clear();
    }

    fn open_listener(&mut self, socket: ListenSocket) {
        let (keepalive, timeout) = (self.env.shared.client_keepalive, self.env.shared.client_user_timeout);
        if let Err(errno) = notice(&socket.socket, keepalive, timeout) {
            let address = socket.address;
            tracing::warn!(%address, %errno, "clients that vanish without a word are not noticed here");
        }
        let cpu = self.env.shared.pinning.cpu_of(self.env.worker);
        if let Some(Err(error)) = cpu.map(|cpu| prefer(&socket.socket, Some(cpu))) {
            let address = socket.address;
            tracing::warn!(%address, %error, "connections do not arrive here by the CPU of the client");
        }
        let vacant = self.env.sockets.iter().position(Option::is_none);
        let index = vacant.unwrap_or_else(|| {
            self.env.sockets.push(None);
            self.env.sockets.len() - 1
        });
        if self.env.accept_again.is_none() {
            self.watch_listener(index, &socket);
        }
        self.env.sockets[index] = Some(socket);
    }

    pub(super) fn watch_listener(&self, index: usize, socket: &ListenSocket) {
        let token = Token::Listener(index).into();
        if let Err(errno) = epoll::add(&self.env.epoll, &socket.socket, token, EventFlags::IN) {
            let listener = &socket.local.config;
            tracing::error!(proxy = %listener.proxy, listener = %listener.name, %errno, "cannot watch a listener");
        }
    }

    fn close_listener(&mut self, index: usize) {
        // closing would reset those in the socket's queue, which connected while it was open
        self.accept_all(index);
        if let Some(place) = self.env.sockets.get_mut(index)
            && let Some(listening) = place.take()
        {
            // a successor may have the same socket: closing ours would not end its events
            let _ = epoll::delete(&self.env.epoll, &listening.socket);
        }
    }

    /// Duplicates every listening socket.
    pub(super) fn lend(&self, reply: &Sender<(SocketAddr, OwnedFd)>) {
        for listening in self.env.sockets.iter().flatten() {
            match listening.socket.try_clone() {
                // the requester may have gone
                Ok(socket) => drop(reply.send((listening.address, socket))),
                Err(error) => {
                    tracing::error!(address = %listening.address, %error, "a listening socket cannot be lent");
                }
            }
        }
    }

    fn local(&mut self, listener: &Arc<Listener>) -> Rc<LocalListener> {
        let counters = self.env.counters.listener(listener);
        let mut backends = Vec::with_capacity(listener.routes.len());
        for (_, route) in &listener.routes {
            let of_route = counters.backends_of(route).into_iter().zip(&route.backends);
            let of_route = of_route.map(|(counters, backend)| {
                Rc::new(LocalBackend::new(counters, self.cluster(listener, &backend.target)))
            });
            backends.push(of_route.collect::<Vec<_>>());
        }
        let outputs = listener.access_logs.iter();
        let outputs = outputs.map(|log| self.env.log.output(&log.sink, Format::from(&log.format))).collect();
        let mirror = listener.mirror.as_ref().and_then(|mirror| self.cluster(listener, &mirror.target));
        let places = self.env.shared.places_of(listener);
        Rc::new(LocalListener {
            config: Arc::clone(listener),
            counters,
            backends,
            balance: self.balance(listener),
            mirror,
            outputs,
            tls: listener.tls.as_ref().map(|tls| self.contexts.server(tls)),
            tls_of_routes: listener.routes.iter().map(|(matched, _)| self.tls_of(matched)).collect(),
            places,
        })
    }

    fn tls_of(&self, matched: &Match) -> Option<Result<tls::TlsContext, tls::ContextError>> {
        matched.end().map(|end| self.contexts.server(&end.tls))
    }

    fn cluster(&mut self, listener: &Listener, target: &Target) -> Option<Rc<LocalCluster>> {
        let Target::Cluster(cluster) = target else { return None };
        let cell = self.env.shared.board.cell(&listener.proxy, cluster);
        let key = (listener.proxy.clone(), Arc::clone(&cluster.name));
        let known = self.clusters.get(&key);
        if let Some(known) = known
            && Arc::ptr_eq(known.cell(), &cell)
        {
            return Some(Rc::clone(known));
        }
        let cluster = Rc::new(match known {
            Some(known) => known.carried_over(cell, &self.contexts),
            // far from where turn numbers wrap
            None => LocalCluster::new(cell, self.phase(&key) >> 8, &self.contexts),
        });
        self.clusters.insert(key, Rc::clone(&cluster));
        Some(cluster)
    }

    /// Returns the number from which this worker counts for a named thing: different for each worker.
    fn phase(&self, (proxy, name): &(ProxyName, Arc<str>)) -> u64 {
        let mut mixed = fastrand::Rng::with_seed(self.env.shared.seed ^ (self.env.worker as u64) << 32);
        for byte in proxy.as_str().bytes().chain(name.bytes()) {
            mixed = fastrand::Rng::with_seed(mixed.u64(..) ^ u64::from(byte));
        }
        mixed.u64(..)
    }

    fn balance(&mut self, listener: &Listener) -> SharedBalance {
        let key = key(listener);
        let phase = self.phase(&key);
        let balance =
            self.balances.entry(key).or_insert_with(|| Rc::new(RefCell::new(Balance::seeded(phase))));
        Rc::clone(balance)
    }

    fn forget_balances(&mut self, listeners: &[Arc<Listener>]) {
        let wanted: std::collections::BTreeSet<ListenerKey> =
            listeners.iter().map(|listener| key(listener)).collect();
        self.balances.retain(|key, balance| wanted.contains(key) || Rc::strong_count(balance) > 1);
    }
}

fn key(listener: &Listener) -> ListenerKey {
    (listener.proxy.clone(), Arc::clone(&listener.name))
}
