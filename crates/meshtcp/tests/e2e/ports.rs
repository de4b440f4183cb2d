//! Free ports.

use std::net::TcpListener;
use std::sync::{LazyLock, Mutex};

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
