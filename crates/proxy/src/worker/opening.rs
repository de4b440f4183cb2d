//! The stage before anything is known but the client's address: what the client sends first is awaited.
//!
//! That is a PROXY header where the listener takes one, and then a client hello where it routes by the server name. A
//! listener that needs neither has no connection in this stage.

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

/// A connection whose client has to speak first.
pub(super) struct Opening {
    awaited: Awaited,
    /// The time since which it is awaited.
    since: Micros,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Header,
    Hello,
}

/// The part of what is awaited that arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Received {
    Part,
    Whole,
}

impl Opening {
    /// Begins to wait for the client.
    pub(super) fn begin(connection: &Connection, env: &mut Env) -> Next<Self, Shaking> {
        let takes_header = connection.listener.config.accept_proxy_protocol;
        let awaited = if takes_header { Awaited::Header } else { Awaited::Hello };
        if let Err(end) = env.watch(connection.slot, Side::Client, &connection.client) {
            return Next::Close(Closing::undecided(end));
        }
        Next::Stay(Self::awaiting(awaited, connection, env))
    }

    fn awaiting(awaited: Awaited, connection: &Connection, env: &mut Env) -> Self {
        let opening = Self { awaited, since: env.now };
        env.deadlines.look_at(connection.slot, opening.due(env));
        opening
    }

    /// Takes what arrived, and goes on when that is all.
    pub(super) fn on_event(mut self, connection: &mut Connection, env: &mut Env) -> Next<Self, Shaking> {
        match self.receive(connection, env) {
            Ok(Received::Part) => Next::Stay(self),
            Ok(Received::Whole) => Next::Go(Shaking),
            Err(end) => Next::Close(Closing::undecided(end)),
        }
    }

    fn receive(&mut self, connection: &mut Connection, env: &mut Env) -> Step<Received> {
        if self.awaited == Awaited::Header {
            let received = receive_header(connection, &mut env.buffers.shared)?;
            if received == Received::Part || !connection.listener.config.needs_hello() {
                return Ok(received);
            }
            *self = Self::awaiting(Awaited::Hello, connection, env);
        }
        receive_hello(connection, &mut env.buffers.shared)
    }

    /// The time at which the client has taken too long.
    pub(super) fn due(&self, env: &Env) -> Micros {
        self.since + env.shared.hello_timeout
    }

    /// Ends a connection whose client took too long.
    pub(super) fn overdue(self) -> Closing {
        Closing::undecided(match self.awaited {
            Awaited::Header => {
                End::new(Ending::ProxyHeaderTimeout, "the PROXY header did not arrive in time")
            }
            Awaited::Hello => End::new(Ending::HelloTimeout, "the client hello did not arrive in time"),
        })
    }
}

/// Receives until the PROXY header is there; what follows it is kept for the backend.
fn receive_header(connection: &mut Connection, buffer: &mut [u8]) -> Step<Received> {
    let ended = || End::new(Ending::BadProxyHeader, "the client ended before its PROXY header");
    while receive_some(connection, buffer, MAX_HEADER, ended)? {
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
    Ok(Received::Part)
}

/// Receives until the client hello is there, and keeps it for the backend.
fn receive_hello(connection: &mut Connection, buffer: &mut [u8]) -> Step<Received> {
    let ended = || End::new(Ending::BadHello, "the client ended before its client hello");
    loop {
        // a PROXY header may have come with the first of it
        let hello = read_hello(connection.directions[Side::Client as usize].pending());
        if let Some(hello) = hello.map_err(|why| End::new(Ending::BadHello, why.0))? {
            connection.server_name = hello.server_name.map(Into::into);
            return Ok(Received::Whole);
        }
        if !receive_some(connection, buffer, MAX_HELLO, ended)? {
            return Ok(Received::Part);
        }
    }
}

/// Holds more of what the client sent; `false`: nothing more arrived yet.
fn receive_some(
    connection: &mut Connection,
    buffer: &mut [u8],
    most: usize,
    ended: impl Fn() -> End,
) -> Step<bool> {
    let room = most.min(buffer.len());
    loop {
        match recv(&connection.client, &mut buffer[..room], RecvFlags::empty()) {
            Ok((0, _)) => return Err(ended()),
            Ok((received, _)) => {
                connection.directions[Side::Client as usize].hold_more(&buffer[..received]);
                return Ok(true);
            }
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(End::errno(Ending::ClientReset, Some(errno))),
        }
    }
}
