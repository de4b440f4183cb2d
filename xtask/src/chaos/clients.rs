//! Clients that keep many connections alive, and see which of them end.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::applications::NAME;
use crate::run::Outcome;

/// Time limit of a new connection until it has received the name of its application.
const GREETING: Duration = Duration::from_secs(20);
/// Time limit of an echo: longer than any fault stops a process.
const ECHO: Duration = Duration::from_secs(20);
/// Pause between two rounds of messages.
const REST: Duration = Duration::from_millis(500);

/// Running clients.
pub(super) struct Clients {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    living: AtomicUsize,
    opened: AtomicUsize,
    refused: AtomicUsize,
    cut: Mutex<Vec<Cut>>,
}

/// Connection that ended although its client did not end it.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Name of its application.
    pub(super) application: String,
    /// Time at which the last message with an echo was sent, and time at which the end was noticed.
    pub(super) between: (Instant, Instant),
    pub(super) why: String,
}

/// Observations of the clients.
pub(super) struct Seen {
    pub(super) opened: usize,
    /// Number of new connections that were refused or ended before they reached anything.
    pub(super) refused: usize,
    pub(super) cut: Vec<Cut>,
}

struct Kept {
    stream: TcpStream,
    application: String,
    /// Time at which the last message with an echo was sent, not at which its echo was read: so it is never too late,
    /// however rarely the client reads.
    lived: Instant,
    /// Time at which the last message was sent.
    said: Instant,
    /// Number of bytes of an echo still to come.
    awaited: usize,
}

impl Clients {
    /// Opens `count` connections, and keeps that many: each one that ends is replaced.
    pub(super) fn start(port: u16, count: usize) -> Outcome<Self> {
        let shared = Arc::<Shared>::default();
        let mut kept = Vec::new();
        for _ in 0..count {
            kept.push(open(port).map_err(|error| format!("the first connections: {error}"))?);
        }
        shared.opened.store(count, Relaxed);
        shared.living.store(count, Relaxed);
        let for_thread = Arc::clone(&shared);
        let keeper = std::thread::spawn(move || for_thread.keep(kept, port, count));
        Ok(Self { shared, keeper })
    }

    pub(super) fn in_words(&self) -> String {
        let Shared { living, refused, cut, .. } = &*self.shared;
        let cut = cut.lock().unwrap_or_else(PoisonError::into_inner).len();
        format!("{} connections live, {cut} ended, {} refused", living.load(Relaxed), refused.load(Relaxed))
    }

    pub(super) fn end(self) -> Seen {
        self.shared.stop.store(true, Relaxed);
        let _ = self.keeper.join();
        let Shared { opened, refused, cut, .. } = &*self.shared;
        let cut = std::mem::take(&mut *cut.lock().unwrap_or_else(PoisonError::into_inner));
        Seen { opened: opened.load(Relaxed), refused: refused.load(Relaxed), cut }
    }
}

impl Shared {
    fn keep(&self, mut kept: Vec<Kept>, port: u16, count: usize) {
        while !self.stop.load(Relaxed) {
            kept.retain_mut(|one| match one.talk() {
                Ok(()) => true,
                Err(why) => {
                    let (application, between) = (one.application.clone(), (one.lived, Instant::now()));
                    let cut = Cut { application, between, why };
                    self.cut.lock().unwrap_or_else(PoisonError::into_inner).push(cut);
                    false
                }
            });
            // a few at a time: live connections are served first
            for _ in 0..(count - kept.len()).min(100) {
                match open(port) {
                    Ok(one) => {
                        kept.push(one);
                        self.opened.fetch_add(1, Relaxed);
                    }
                    Err(_) => {
                        self.refused.fetch_add(1, Relaxed);
                        break;
                    }
                }
            }
            self.living.store(kept.len(), Relaxed);
            std::thread::sleep(REST);
        }
    }
}

/// Opens a connection, and reads the name of its application.
fn open(port: u16) -> std::io::Result<Kept> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(GREETING))?;
    let mut name = [0; NAME];
    stream.read_exact(&mut name)?;
    stream.set_nonblocking(true)?;
    let (application, now) = (String::from_utf8_lossy(&name).into_owned(), Instant::now());
    Ok(Kept { stream, application, lived: now, said: now, awaited: 0 })
}

impl Kept {
    /// Reads echoes that arrived since, and sends a message if the last one has come back.
    fn talk(&mut self) -> Result<(), String> {
        let mut chunk = [0; 64];
        while self.awaited > 0 {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err("it was closed".into()),
                Ok(bytes) if bytes > self.awaited || chunk[..bytes].iter().any(|byte| *byte != b'x') => {
                    return Err("the echo is none".into());
                }
                Ok(bytes) => {
                    self.awaited -= bytes;
                    if self.awaited == 0 {
                        self.lived = self.said;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        if self.awaited > 0 {
            return if self.said.elapsed() > ECHO { Err("the echo does not come".into()) } else { Ok(()) };
        }
        self.stream.write_all(b"xxxxxxxx").map_err(|error| error.to_string())?;
        (self.awaited, self.said) = (8, Instant::now());
        Ok(())
    }
}

/// Number of new connections, out of `times`, that reach each application.
pub(super) fn reached(port: u16, times: usize) -> Outcome<BTreeMap<String, usize>> {
    let mut reached = BTreeMap::new();
    for _ in 0..times {
        let one = open(port).map_err(|error| format!("a connection when all is over: {error}"))?;
        *reached.entry(one.application).or_default() += 1;
    }
    Ok(reached)
}
