//! From an accepted connection to one with a backend: client hello, decision, dialling.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use l4::balance::Draw;
use l4::config::{Cluster, DEFAULT_CONNECT_TIMEOUT, Target};
use l4::decide::{Decision, Facts, Forward, Moment, Refuse, decide, decide_again};
use l4::ending::{Ending, Side};
use l4::health::Full;
use l4::hello::{MAX_HELLO, read_hello};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, connect, ipproto, recv, socket_with, sockopt,
};

use super::connection::{Connection, Stage};
use super::live::Live;
use super::sockets::prepare;
use super::{Source, Worker};

/// What became of the bytes of a client hello.
enum Hello {
    Waiting,
    Complete,
    Failed(Ending, String),
}

impl Worker {
    /// Waits for the PROXY header or the client hello of a connection.
    pub(super) fn await_client(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        let due = connection.since + self.shared.hello_timeout;
        self.watch(slot, Side::Client);
        self.deadlines.look_at(slot, due);
    }

    /// Takes what arrived of a client hello, and goes on when it is complete.
    pub(super) fn on_hello(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        match receive_hello(connection, &mut self.kit.shared) {
            Hello::Waiting => {}
            Hello::Complete => self.open(slot),
            Hello::Failed(ending, why) => self.finish(slot, ending, &why),
        }
    }

    /// Decides where a connection goes, and goes there.
    pub(super) fn open(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        let live = Rc::clone(&connection.live);
        let draw = live.balance.borrow_mut().draw();
        connection.draw = Some(draw);
        let facts = Facts { client: connection.peer, server_name: connection.server_name.as_deref() };
        let moment = Moment { draw, standings: &*live, addresses: self.addresses.load() };
        match decide(&facts, &live.listener, &moment) {
            Decision::Forward(forward) => {
                if let Some(backend) = live.backend(forward.route, forward.first_backend()) {
                    backend.counters.chosen.add(1);
                }
                connection.forward = Some(forward);
                self.dial(slot);
            }
            Decision::Refuse(refuse) => self.refuse(slot, &refuse),
        }
    }

    fn refuse(&mut self, slot: u32, refuse: &Refuse) {
        let Refuse { reason, route, backend, why } = refuse;
        if let Some(connection) = self.slots.get_mut(slot)
            && let Some(route) = route
        {
            if let Some(backend) = backend.and_then(|backend| connection.live.backend(*route, backend)) {
                backend.counters.chosen.add(1);
            }
            connection.refused_on = Some((*route, *backend));
        }
        self.finish(slot, Ending::from(*reason), why);
    }

    /// Dials the endpoint of this attempt; when that fails at once the next one, as long as there are attempts.
    pub(super) fn dial(&mut self, slot: u32) {
        // attempts that fail at once come before anything is watched
        let first = self.slots.get_mut(slot).is_some_and(|connection| connection.attempts == 0);
        loop {
            let Some(connection) = self.slots.get_mut(slot) else { return };
            let Some(forward) = connection.forward else { return };
            connection.attempts += 1;
            connection.stage = Stage::Connecting;
            connection.since = self.now;
            if let Err((full, cluster)) = book(connection, &forward) {
                let why = full.in_words(&cluster.name);
                return self.finish(slot, Ending::from(full), &why);
            }
            match start_connect(connection, &forward) {
                Ok(()) => {}
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    self.rest_accepting(errno);
                    return self.finish(slot, Ending::Limit, &format!("no socket for the backend: {errno}"));
                }
                Err(errno) => match self.failed_attempt(slot, errno) {
                    NextAttempt::Dial => continue,
                    NextAttempt::GaveUp => return,
                },
            }
            let due = connection.since + connect_timeout(connection, &forward);
            let needs_watch = first && !connection.live.listener.client_speaks_first();
            self.deadlines.look_at(slot, due);
            self.watch(slot, Side::Backend);
            if needs_watch {
                self.watch(slot, Side::Client);
            }
            return;
        }
    }

    /// An attempt did not succeed: dials the next endpoint, or refuses the connection.
    pub(super) fn dial_next(&mut self, slot: u32, errno: Errno) {
        if self.failed_attempt(slot, errno) == NextAttempt::Dial {
            self.dial(slot);
        }
    }

    fn failed_attempt(&mut self, slot: u32, errno: Errno) -> NextAttempt {
        let Some(connection) = self.slots.get_mut(slot) else { return NextAttempt::GaveUp };
        connection.backend = None;
        connection.booking = None;
        let Some(forward) = connection.forward else { return NextAttempt::GaveUp };
        let live = Rc::clone(&connection.live);
        if let Some(endpoint) = live.endpoint(&forward) {
            endpoint.failed.add(1);
        }
        // an error of ours says nothing about the endpoint
        if errno != Errno::ADDRNOTAVAIL
            && let Some(cluster) = live.cluster_of(forward.route, forward.backend)
        {
            cluster.cell().failed(forward.endpoint.endpoint);
        }
        let facts = Facts { client: connection.peer, server_name: connection.server_name.as_deref() };
        let moment = Moment {
            draw: connection.draw.unwrap_or(Draw(0)),
            standings: &*live,
            addresses: self.addresses.load(),
        };
        if let Some(next) = decide_again(&facts, &live.listener, &forward, &moment) {
            connection.forward = Some(next);
            return NextAttempt::Dial;
        }
        let address = forward.endpoint.address;
        let ending = match errno {
            Errno::TIMEDOUT => Ending::ConnectTimeout,
            // every port that we could dial from is taken
            Errno::ADDRNOTAVAIL => Ending::Limit,
            _ => Ending::ConnectRefused,
        };
        self.finish(slot, ending, &format!("{address}: {errno}"));
        NextAttempt::GaveUp
    }

    /// Watches a socket for everything.
    fn watch(&mut self, slot: u32, side: Side) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        let socket = match side {
            Side::Client => Some(&connection.client),
            Side::Backend => connection.backend.as_ref(),
        };
        let Some(socket) = socket else { return };
        let token = Source::Connection(slot, side).token();
        if let Err(errno) = epoll::add(&self.epoll, socket, token, Source::EVERYTHING) {
            self.finish(slot, Ending::Limit, &format!("cannot watch a socket: {errno}"));
        }
    }
}

#[derive(PartialEq, Eq)]
enum NextAttempt {
    Dial,
    GaveUp,
}

/// Reads what arrived, keeps it for the backend, and looks whether it is a complete hello.
fn receive_hello(connection: &mut Connection, buffer: &mut [u8]) -> Hello {
    loop {
        // a PROXY header may have come with the first of them
        match read_hello(connection.directions[Side::Client as usize].pending()) {
            Ok(None) => {}
            Ok(Some(hello)) => {
                connection.server_name = hello.server_name.map(Into::into);
                return Hello::Complete;
            }
            Err(why) => return Hello::Failed(Ending::BadHello, why.0.into()),
        }
        let room = MAX_HELLO.min(buffer.len());
        match recv(&connection.client, &mut buffer[..room], RecvFlags::empty()) {
            Ok((0, _)) => {
                return Hello::Failed(Ending::BadHello, "the client ended before its client hello".into());
            }
            Ok((received, _)) => {
                connection.directions[Side::Client as usize].hold_more(&buffer[..received]);
            }
            Err(Errno::AGAIN) => return Hello::Waiting,
            Err(Errno::INTR) => {}
            Err(errno) => return Hello::Failed(Ending::ClientReset, errno.to_string()),
        }
    }
}

/// Takes up what the connection needs of its endpoint and cluster.
fn book<'a>(connection: &'a mut Connection, forward: &Forward) -> Result<(), (Full, &'a Cluster)> {
    let Some(cluster) = connection.live.cluster_of(forward.route, forward.backend) else { return Ok(()) };
    if forward.attempt == 0 {
        cluster.advance();
    }
    match cluster.book(forward.endpoint.endpoint) {
        Ok(booking) => {
            connection.booking = Some(booking);
            Ok(())
        }
        Err(full) => Err((full, cluster.cell().cluster())),
    }
}

/// Begins to connect; how it went is told by an event on the socket.
fn start_connect(connection: &mut Connection, forward: &Forward) -> Result<(), Errno> {
    let address = forward.endpoint.address;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let backend = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&backend, true)?;
    if let Some(cluster) = cluster(&connection.live, forward) {
        prepare(&backend, cluster)?;
    }
    match connect(&backend, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(errno) => return Err(errno),
    }
    connection.backend = Some(backend);
    Ok(())
}

pub(super) fn cluster<'a>(live: &'a Live, forward: &Forward) -> Option<&'a Arc<Cluster>> {
    let backend = live.listener.route_at(forward.route)?.backends.get(forward.backend)?;
    match &backend.target {
        Target::Cluster(cluster) => Some(cluster),
        Target::Unavailable(_) => None,
    }
}

pub(super) fn connect_timeout(connection: &Connection, forward: &Forward) -> Duration {
    cluster(&connection.live, forward).map_or(DEFAULT_CONNECT_TIMEOUT, |cluster| cluster.connect_timeout)
}
