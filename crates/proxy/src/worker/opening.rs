//! First stage, where only the client's address is known: it waits for the client's first bytes.
//!
//! These are a PROXY protocol header if the listener accepts one, and then a client hello if it routes by the
//! server name, or terminates TLS of only some clients. A listener that needs neither has no connection in this
//! stage.

use std::time::Duration;

use l4::config::MESH_PROTOCOL;
use l4::ending::{Ending, Side};
use l4::hello::{MAX_HELLO, read_hello};
use l4::proxy_protocol::{MAX_HEADER, read_header};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::closing::Closing;
use super::connection::Connection;
use super::deadlines::Micros;
use super::end::{End, Step};
use super::env::Env;
use super::next::Next;
use super::shaking::Shaking;

/// Limit on a client's silence where plaintext is accepted too: then its server speaks first.
const SILENCE: Duration = Duration::from_millis(300);

/// Connection whose client has to speak first.
pub(super) struct Opening {
    awaited: Awaited,
    /// Time since which it waits.
    since: Micros,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Header,
    Hello,
}

/// Part of the awaited bytes that arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Received {
    Part,
    /// All, without TLS that is terminated here.
    Whole,
    /// Beginning of TLS that is terminated here.
    Mesh,
}

impl Opening {
    /// Begins to wait for the client.
    pub(super) fn begin(connection: &mut Connection, env: &mut Env) -> Next<Self, Shaking> {
        if let Err(end) = env.watch(connection.slot, Side::Client, &connection.client) {
            return Next::Close(Closing::undecided(end));
        }
        let config = &connection.listener.config;
        let awaited = match (config.accept_proxy_protocol, config.needs_hello(connection.peer.ip())) {
            (true, _) => Awaited::Header,
            (false, true) => Awaited::Hello,
            (false, false) => return Self::shake(connection, env),
        };
        Next::Stay(Self::awaiting(awaited, connection, env))
    }

    fn shake(connection: &mut Connection, env: &mut Env) -> Next<Self, Shaking> {
        match Shaking::begin(connection, env) {
            Ok(shaking) => Next::Go(shaking),
            Err(end) => Next::Close(Closing::undecided(end)),
        }
    }

    fn awaiting(awaited: Awaited, connection: &Connection, env: &mut Env) -> Self {
        let opening = Self { awaited, since: env.now };
        env.deadlines.look_at(connection.slot, opening.due(connection, env));
        opening
    }

    /// Takes the bytes that arrived, and proceeds if they are complete.
    pub(super) fn on_event(mut self, connection: &mut Connection, env: &mut Env) -> Next<Self, Shaking> {
        match self.receive(connection, env) {
            Ok(Received::Part) => {
                env.deadlines.look_at(connection.slot, self.due(connection, env));
                Next::Stay(self)
            }
            Ok(Received::Whole) => Next::Go(Shaking::Settled),
            Ok(Received::Mesh) => Self::shake(connection, env),
            Err(end) => Next::Close(Closing::undecided(end)),
        }
    }

    fn receive(&mut self, connection: &mut Connection, env: &mut Env) -> Step<Received> {
        if self.awaited == Awaited::Header {
            let received = receive_header(connection, &mut env.buffers.shared)?;
            if received == Received::Part {
                return Ok(received);
            }
            if !connection.listener.config.needs_hello(connection.peer.ip()) {
                return Ok(if connection.listener.tls.is_some() { Received::Mesh } else { received });
            }
            *self = Self::awaiting(Awaited::Hello, connection, env);
        }
        receive_hello(connection, &mut env.buffers.shared)
    }

    /// Time at which the client times out.
    pub(super) fn due(&self, connection: &Connection, env: &Env) -> Micros {
        let silent = connection.directions[Side::Client as usize].pending().is_empty();
        let may_be_silent = self.awaited == Awaited::Hello && takes_plaintext(connection);
        self.since + if silent && may_be_silent { SILENCE } else { env.shared.hello_timeout }
    }

    /// Ends a connection whose client timed out; where plaintext is accepted it is treated as that.
    pub(super) fn overdue(self, connection: &Connection) -> Next<Self, Shaking> {
        if self.awaited == Awaited::Hello && takes_plaintext(connection) {
            return Next::Go(Shaking::Settled);
        }
        Next::Close(Closing::undecided(match self.awaited {
            Awaited::Header => {
                End::new(Ending::ProxyHeaderTimeout, "the PROXY header did not arrive in time")
            }
            Awaited::Hello => End::new(Ending::HelloTimeout, "the client hello did not arrive in time"),
        }))
    }
}

/// Returns `true` if other bytes than TLS that is terminated here are passed on as they are.
fn takes_plaintext(connection: &Connection) -> bool {
    connection.listener.config.takes_plaintext(connection.peer.ip())
}

/// Receives until the PROXY protocol header is complete; what follows it is kept for the backend.
fn receive_header(connection: &mut Connection, buffer: &mut [u8]) -> Step<Received> {
    loop {
        match receive_some(connection, buffer, MAX_HEADER)? {
            Some(0) => {
                return Err(End::new(Ending::BadProxyHeader, "the client ended before its PROXY header"));
            }
            Some(_) => {}
            None => return Ok(Received::Part),
        }
        let from_client = &mut connection.directions[Side::Client as usize];
        let header = read_header(from_client.pending());
        if let Some(header) = header.map_err(|why| End::new(Ending::BadProxyHeader, why.0))? {
            from_client.skip(header.length);
            if let Some(ends) = header.ends {
                connection.peer = ends.source;
                connection.ends = Some(Box::new(ends));
            }
            return Ok(Received::Whole);
        }
    }
}

/// Receives until the client hello is complete, and keeps it for the backend, or for the handshake that it begins.
fn receive_hello(connection: &mut Connection, buffer: &mut [u8]) -> Step<Received> {
    let plaintext = takes_plaintext(connection);
    loop {
        // a PROXY protocol header may have come with the first of it
        let hello = read_hello(connection.directions[Side::Client as usize].pending());
        match hello {
            Ok(None) => {}
            Ok(Some(hello)) => {
                connection.server_name = hello.server_name.map(Into::into);
                let is_mesh = hello.protocols.iter().any(|protocol| **protocol == *MESH_PROTOCOL);
                let end = connection.listener.config.end_for(&connection.facts());
                let ends_here = end.is_some_and(|(tls, _)| is_mesh || !tls.permissive);
                return Ok(if ends_here { Received::Mesh } else { Received::Whole });
            }
            Err(_) if plaintext => return Ok(Received::Whole),
            Err(why) => return Err(End::new(Ending::BadHello, why.0)),
        }
        match receive_some(connection, buffer, MAX_HELLO)? {
            // its end is read again by the relay
            Some(0) if plaintext => return Ok(Received::Whole),
            Some(0) => return Err(End::new(Ending::BadHello, "the client ended before its client hello")),
            Some(_) => {}
            None => return Ok(Received::Part),
        }
    }
}

/// Receives more bytes of the client; 0: it ended; `None`: nothing more has arrived yet.
fn receive_some(connection: &mut Connection, buffer: &mut [u8], most: usize) -> Step<Option<usize>> {
    let room = most.min(buffer.len());
    loop {
        match recv(&connection.client, &mut buffer[..room], RecvFlags::empty()) {
            Ok((received, _)) => {
                if received > 0 {
                    connection.directions[Side::Client as usize].hold_more(&buffer[..received]);
                }
                return Ok(Some(received));
            }
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(End::errno(Ending::ClientReset, Some(errno))),
        }
    }
}
