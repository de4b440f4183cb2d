//! Connection of a client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::program::PATIENCE;

/// Open connection whose backend has sent its name.
pub(crate) struct Connection {
    read: BufReader<TcpStream>,
    write: TcpStream,
    pub(crate) backend: String,
    sent: u64,
}

impl Connection {
    /// Connects through an outbound; `None`: no backend greets.
    pub(crate) fn open(port: u16) -> Option<Self> {
        Self::open_at(([127, 0, 0, 1], port).into())
    }

    /// Connects to any address like [`Self::open`].
    pub(crate) fn open_at(address: SocketAddr) -> Option<Self> {
        let write = TcpStream::connect(address).ok()?;
        write.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut read = BufReader::new(write.try_clone().unwrap());
        let mut backend = String::new();
        read.read_line(&mut backend).ok()?;
        let backend = backend.trim_end().to_owned();
        (!backend.is_empty()).then_some(Self { read, write, backend, sent: 0 })
    }

    /// Sends a line and checks that it comes back.
    pub(crate) fn echo(&mut self) {
        self.sent += 1;
        let line = format!("line {} to {}\n", self.sent, self.backend);
        self.write.write_all(line.as_bytes()).unwrap();
        let mut back = String::new();
        self.read.read_line(&mut back).unwrap();
        assert_eq!(back, line);
    }

    /// Checks that it still carries bytes in both directions; `None`: the peer has closed it.
    pub(crate) fn lives(&mut self) -> Option<()> {
        let mut back = String::new();
        writeln!(self.write, "still there").ok()?;
        self.read.read_line(&mut back).ok()?;
        (back == "still there\n").then_some(())
    }

    /// Closes the connection in order.
    pub(crate) fn close(mut self) {
        self.write.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        self.read.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

/// Number of connections, out of `times`, that each backend gets; `-` counts those without a greeting.
pub(crate) fn tally(port: u16, times: usize) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..times {
        let backend = match Connection::open(port) {
            Some(connection) => {
                let backend = connection.backend.clone();
                connection.close();
                backend
            }
            None => "-".to_owned(),
        };
        *seen.entry(backend).or_default() += 1;
    }
    seen
}

/// Asserts that `seen` is a split by `weights`, each share within 4 standard deviations.
pub(crate) fn assert_split(seen: &BTreeMap<String, usize>, weights: &[(&str, f64)]) {
    let times: usize = seen.values().sum();
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    for (name, weight) in weights {
        let (share, times) = (weight / sum, times as f64);
        let found = seen.get(*name).copied().unwrap_or_default() as f64;
        let allowed = 4.0 * (times * share * (1.0 - share)).sqrt();
        assert!((found - times * share).abs() <= allowed, "{name} should have {share:.3} of {seen:?}");
    }
    let strangers: Vec<_> =
        seen.keys().filter(|name| weights.iter().all(|(known, _)| known != name)).collect();
    assert!(strangers.is_empty(), "{strangers:?} should have nothing of {seen:?}");
}

/// Waits until new connections reach exactly these backends.
pub(crate) fn reaches(port: u16, backends: &[&str]) {
    let mut last = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    while !last.keys().map(String::as_str).eq(backends.iter().copied()) {
        assert!(Instant::now() < deadline, "port {port} should reach {backends:?}, and reaches {last:?}");
        std::thread::sleep(Duration::from_millis(20));
        last = tally(port, 4 * backends.len().max(1) + 8);
    }
}
