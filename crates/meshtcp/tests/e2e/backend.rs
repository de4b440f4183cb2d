//! Backends that send their name, then echo every line.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex};

/// Serves on a port until the test ends: greets every connection with `name`, then echoes its lines.
pub(crate) fn serve(port: u16, name: &str) {
    serve_on(TcpListener::bind(("127.0.0.1", port)).unwrap(), name);
}

/// Serves on any listener like [`serve`].
pub(crate) fn serve_on(listener: TcpListener, name: &str) {
    let name = name.to_owned();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let name = name.clone();
            std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || greet(connection, &name))
                .unwrap();
        }
    });
}

fn greet(connection: TcpStream, name: &str) {
    let Ok(mut write) = connection.try_clone() else { return };
    if writeln!(write, "{name}").is_err() {
        return;
    }
    for line in BufReader::with_capacity(256, &connection).lines().map_while(Result::ok) {
        if writeln!(write, "{line}").is_err() {
            return;
        }
    }
    let _ = connection.shutdown(std::net::Shutdown::Write);
}

/// Ports that tests choose from: below the ephemeral ports of the kernel.
const PORTS: std::ops::Range<u16> = 10_240..20_000;

/// Returns `N` free ports outside the range of ephemeral ports of the kernel.
///
/// No port is returned twice before all were: one that is chosen is bound seconds later, by a program that has to start
/// first, and tests of the same process choose meanwhile. Envoy shares a port that is taken and says nothing.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: LazyLock<Mutex<u16>> = LazyLock::new(|| Mutex::new(fastrand::u16(PORTS)));
    let mut next = NEXT.lock().unwrap();
    std::array::from_fn(|_| {
        loop {
            let port = *next;
            *next = if port + 1 == PORTS.end { PORTS.start } else { port + 1 };
            // free at every local address, wildcard included
            if TcpListener::bind(("0.0.0.0", port)).is_ok() {
                return port;
            }
        }
    })
}
