//! Connections with requests and answers in turn.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use rustix::event::epoll::EventFlags;

use super::{PATIENCE, REQUEST, order, read_patiently, write_all};
use crate::door::Door;
use crate::order::Order;
use crate::poll::Poll;
use crate::socket::{self, Moved};
use crate::window::{Phase, Sample, Watch, Window, nanoseconds_since};

/// Runs the load; the unit of work is a request.
pub(super) fn ask(target: Door, window: Window, connections: usize) -> io::Result<Sample> {
    if connections == 1 {
        return ask_alone(target, window);
    }
    let sockets = (0..connections).map(|_| order(target, Order::Echo)).collect::<io::Result<Vec<_>>>()?;
    let request = [b'q'; REQUEST];
    let mut buffer = [0; 1024];
    let mut poll = Poll::new()?;
    for (number, socket) in sockets.iter().enumerate() {
        write_all(socket, &request)?;
        let mut answered = 0;
        while answered < REQUEST {
            answered += read_patiently(socket, &mut buffer)?;
        }
        poll.add(socket, number, EventFlags::IN)?;
    }
    let mut asked = vec![(Instant::now(), 0usize); connections];
    for (socket, (at, _)) in sockets.iter().zip(&mut asked) {
        *at = Instant::now();
        write_all(socket, &request)?;
    }
    let mut latencies = Vec::with_capacity(1 << 17);
    let mut watch = Watch::start(window);
    loop {
        let events = poll.wait(Some(20))?;
        match watch.phase(Instant::now()) {
            Phase::WarmUp | Phase::Begins => latencies.clear(),
            Phase::Measured => {}
            Phase::Over => {
                let requests = latencies.len() as f64;
                return Ok(watch.sample(requests, &mut latencies));
            }
        }
        for (number, _) in events {
            let (Some(socket), Some((at, answered))) = (sockets.get(number), asked.get_mut(number)) else {
                continue;
            };
            match socket::read(socket, &mut buffer)? {
                Moved::Bytes(bytes) => *answered += bytes,
                Moved::Later => continue,
                Moved::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            if *answered >= REQUEST {
                let now = Instant::now();
                latencies.push(nanoseconds_since(*at, now));
                (*at, *answered) = (now, 0);
                write_all(socket, &request)?;
            }
        }
    }
}

/// Runs the load on one connection, which needs no poll: it blocks until the answer.
fn ask_alone(target: Door, window: Window) -> io::Result<Sample> {
    let mut stream = TcpStream::from(order(target, Order::Echo)?);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (request, mut answer) = ([b'q'; REQUEST], [0; REQUEST]);
    let mut latencies = Vec::with_capacity(1 << 17);
    let mut watch = Watch::start(window);
    loop {
        match watch.phase(Instant::now()) {
            Phase::WarmUp | Phase::Begins => latencies.clear(),
            Phase::Measured => {}
            Phase::Over => {
                let requests = latencies.len() as f64;
                return Ok(watch.sample(requests, &mut latencies));
            }
        }
        let asked = Instant::now();
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
        latencies.push(nanoseconds_since(asked, Instant::now()));
    }
}
