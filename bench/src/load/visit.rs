//! Clients that connect, send one request, read the answer and close.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use super::REQUEST;
use crate::door::Door;
use crate::order::Order;
use crate::poll::Poll;
use crate::socket::{self, Moved, dial};
use crate::window::{Phase, Sample, Watch, Window, nanoseconds_since};

/// Number of failures above which the measurement ends with an error.
const TOO_MANY: usize = 1000;

struct Visit {
    socket: OwnedFd,
    since: Instant,
    answered: usize,
}

/// Runs the load; the unit of work is a connection.
pub(super) fn visit(target: Door, window: Window, at_a_time: usize) -> io::Result<Sample> {
    let mut request = [target.first, &Order::Echo.bytes()].concat();
    request.resize(request.len() + REQUEST, b'q');
    let mut buffer = [0; 1024];
    let mut poll = Poll::new()?;
    let mut visits: Vec<Option<Visit>> = (0..at_a_time).map(|_| None).collect();
    let mut latencies = Vec::with_capacity(1 << 15);
    let mut failures = 0;
    let mut watch = Watch::start(window);
    loop {
        for (number, place) in visits.iter_mut().enumerate().filter(|(_, place)| place.is_none()) {
            let since = Instant::now();
            match begin(target, &request) {
                Ok(socket) => {
                    poll.add(&socket, number, EventFlags::IN)?;
                    *place = Some(Visit { socket, since, answered: 0 });
                }
                // all ports are in use for a moment
                Err(error) if error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error()) => {
                    failures += 1;
                    std::thread::sleep(Duration::from_micros(200));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let events = poll.wait(Some(20))?;
        match watch.phase(Instant::now()) {
            Phase::WarmUp | Phase::Begins => latencies.clear(),
            Phase::Measured => {}
            Phase::Over => {
                let connections = latencies.len() as f64;
                return Ok(watch.sample(connections, &mut latencies));
            }
        }
        if failures > TOO_MANY {
            return Err(io::Error::other(format!("{failures} connections failed")));
        }
        for (number, _) in events {
            let Some(Some(visit)) = visits.get_mut(number) else { continue };
            match socket::read(&visit.socket, &mut buffer) {
                Ok(Moved::Bytes(bytes)) => visit.answered += bytes,
                Ok(Moved::Later) => continue,
                Ok(Moved::End) | Err(_) => {
                    failures += 1;
                    visits[number] = None;
                    continue;
                }
            }
            if visit.answered >= REQUEST {
                let since = visit.since;
                visits[number] = None; // closes it
                latencies.push(nanoseconds_since(since, Instant::now()));
            }
        }
    }
}

/// Connects and sends the request; on loopback the handshake is complete at once.
fn begin(target: Door, request: &[u8]) -> io::Result<OwnedFd> {
    let socket = dial(target.address)?;
    match socket::write(&socket, request)? {
        Moved::Bytes(bytes) if bytes == request.len() => Ok(socket),
        Moved::Bytes(_) | Moved::End | Moved::Later => Err(io::ErrorKind::WriteZero.into()),
    }
}
