//! Start of a mirror: once the backend of its connection is connected, so that the mirror delays nothing.

use std::rc::Rc;
use std::sync::Arc;

use l4::balance::Draw;
use l4::ending::{MirrorEnd, Side};
use rustix::event::epoll;
use rustix::io::Errno;

use super::announce::header;
use super::connection::Connection;
use super::deadlines::Micros;
use super::env::{EVERYTHING, Env};
use super::mirrors::ActiveMirror;
use super::socket::{is_itself, start_connect};
use super::token::Token;
use crate::relay::{ByteObserver, Tap};

/// Begins to mirror a connection, if its listener and its draw say so.
pub(super) fn begin(connection: &mut Connection, draw: Draw, env: &mut Env) {
    let config = &connection.listener.config;
    let Some(mirror) = config.mirror.as_ref().filter(|mirror| mirror.takes(draw)) else { return };
    let dialled = dial(mirror.buffer, connection, env);
    let place = env.mirrors.add(dialled, Arc::clone(&connection.listener.counters));
    connection.mirror = Some(place);
    let Some(tap) = env.mirrors.tap(place) else { return };
    // bytes read before there was a backend; if TLS is terminated they come again as plaintext
    if connection.ciphers.is_none() {
        tap.note(connection.directions[Side::Client as usize].pending());
    }
    match epoll::add(&env.epoll, tap.socket(), Token::Mirror(place).into(), EVERYTHING) {
        Ok(()) => env.mirrors.settle(place),
        Err(_) => env.mirrors.end(place, MirrorEnd::Limit),
    }
}

/// Dials an endpoint of the mirror's cluster, by the cluster's policy and within its limits.
fn dial(buffer: usize, connection: &Connection, env: &mut Env) -> Result<(ActiveMirror, Micros), MirrorEnd> {
    let cluster = Rc::clone(connection.listener.mirror.as_ref().ok_or(MirrorEnd::Unavailable)?);
    let config = Arc::clone(cluster.cell().cluster());
    let (facts, addresses) = (connection.facts(), env.addresses.load());
    let chosen = cluster.ask(|standing| config.choose(standing, &facts, addresses));
    let (_, dial) = chosen.ok_or(MirrorEnd::Unavailable)?;
    if is_itself(dial.address, connection) {
        return Err(MirrorEnd::Unavailable);
    }
    cluster.advance();
    let booking = cluster.book(dial.endpoint).map_err(|_| MirrorEnd::Limit)?;
    let first = header(&config, connection).map_err(|_| MirrorEnd::Unavailable)?.unwrap_or_default();
    let socket = start_connect(dial.address, &config).map_err(|errno| match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL => MirrorEnd::Limit,
        _ => MirrorEnd::Refused,
    })?;
    let up = ActiveMirror::dialled(Tap::new(socket, first, buffer), cluster, dial.endpoint, booking);
    Ok((up, env.now + config.connect_timeout))
}
