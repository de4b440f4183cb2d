//! Connections that stay open after one exchange.

use std::io;
use std::time::Duration;

use super::{REQUEST, order, read_patiently, write_all};
use crate::door::Door;
use crate::order::Order;
use crate::process::Processes;
use crate::window::Sample;

/// Opens connections, lets them rest, and closes them; measures the memory per connection.
pub(crate) fn idle(target: Door, connections: usize, watched: Processes) -> io::Result<Sample> {
    const AT_ONCE: usize = 64;
    let before = watched.resident() as f64;
    let mut sockets = Vec::with_capacity(connections);
    let mut buffer = [0; 1024];
    while sockets.len() < connections {
        let wave = sockets.len();
        for _ in 0..AT_ONCE.min(connections - wave) {
            let socket = order(target, Order::Echo)?;
            write_all(&socket, &[b'q'; REQUEST])?;
            sockets.push(socket);
        }
        for socket in &sockets[wave..] {
            let mut answered = 0;
            while answered < REQUEST {
                answered += read_patiently(socket, &mut buffer)?;
            }
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    let after = watched.resident() as f64;
    Ok(Sample { memory: (after - before) / connections as f64, base: before, ..Sample::default() })
}
