//! Clients that open connections, keep them open, and check every echo.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::story::{BACKENDS, WEIGHTS};

/// Interval between two echoes of a connection.
const RHYTHM: Duration = Duration::from_millis(400);
/// Timeout of an echo.
const PATIENCE: Duration = Duration::from_secs(10);

/// Number of connections per backend.
pub(super) type Seen = [usize; BACKENDS.len()];

/// Outcomes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Connections that were opened and have received a backend's name.
    pub(super) opened: usize,
    /// Lines that came back as they were sent.
    pub(super) echoes: usize,
    /// Connections that could not be opened, ended early, or returned other bytes than were sent.
    pub(super) cut: usize,
}

/// All clients of the demo.
pub(super) struct Clients {
    runtime: Handle,
    outbound: SocketAddr,
    shared: Arc<Shared>,
    goodbye: watch::Sender<bool>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<[Seen; WEIGHTS.len()]>,
    opened: AtomicUsize,
    echoes: AtomicUsize,
    cut: AtomicUsize,
    finished: AtomicUsize,
}

impl Clients {
    pub(super) fn new(runtime: Handle, outbound: SocketAddr) -> Self {
        Self { runtime, outbound, shared: Arc::default(), goodbye: watch::Sender::new(false) }
    }

    /// Opens one more connection in a chapter of the story.
    pub(super) fn open(&self, chapter: usize) {
        let (shared, outbound, goodbye) = (Arc::clone(&self.shared), self.outbound, self.goodbye.subscribe());
        self.runtime.spawn(async move {
            let kept = live(outbound, chapter, &shared, goodbye).await;
            let counter = if kept.is_ok() { &shared.finished } else { &shared.cut };
            counter.fetch_add(1, Relaxed);
        });
    }

    /// Split of the connections of a chapter.
    pub(super) fn seen(&self, chapter: usize) -> Seen {
        let seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(chapter).copied().unwrap_or_default()
    }

    pub(super) fn counts(&self) -> Counts {
        let Shared { seen: _, opened, echoes, cut, finished: _ } = &*self.shared;
        Counts { opened: opened.load(Relaxed), echoes: echoes.load(Relaxed), cut: cut.load(Relaxed) }
    }

    /// Waits until `connections` are open or failed.
    ///
    /// # Errors
    /// Reason in words, when that takes too long.
    pub(super) fn settled(&self, connections: usize, patience: Duration) -> Result<(), String> {
        let done = || {
            let Counts { opened, cut, .. } = self.counts();
            opened + cut >= connections
        };
        if wait(patience, done) {
            return Ok(());
        }
        Err(format!("only {} of {connections} connections were answered in time", self.counts().opened))
    }

    /// Closes all connections in order, and returns their outcomes.
    pub(super) fn finish(&self, patience: Duration) -> Counts {
        self.goodbye.send_replace(true);
        let ended = || self.shared.finished.load(Relaxed) + self.shared.cut.load(Relaxed);
        let opened = self.counts().opened;
        wait(patience, || ended() >= opened);
        let mut counts = self.counts();
        // a connection that does not answer the goodbye was lost, too
        counts.cut += opened.saturating_sub(ended());
        counts
    }
}

fn wait(patience: Duration, done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Runs one connection from its opening to the goodbye; an error if it was anything but perfect.
async fn live(
    outbound: SocketAddr,
    chapter: usize,
    shared: &Shared,
    mut goodbye: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let wrong = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let (read, mut write) = TcpStream::connect(outbound).await?.into_split();
    let mut read = BufReader::with_capacity(256, read);
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
    let name = line.trim_end().to_owned();
    let backend = BACKENDS.iter().position(|known| *known == name).ok_or_else(wrong)?;
    {
        let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seen.get_mut(chapter).and_then(|chapter| chapter.get_mut(backend)) {
            *count += 1;
        }
    }
    shared.opened.fetch_add(1, Relaxed);

    let mut number = 0_u64;
    while !*goodbye.borrow_and_update() {
        write.write_all(format!("{number}\n").as_bytes()).await?;
        line.clear();
        tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
        if line != format!("{name} {number}\n") {
            return Err(wrong());
        }
        shared.echoes.fetch_add(1, Relaxed);
        number += 1;
        // whichever comes first; a dropped sender is a goodbye, too
        let _ = tokio::time::timeout(RHYTHM, goodbye.changed()).await;
    }
    write.shutdown().await?;
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, read.read_to_end(&mut rest)).await??;
    if rest.is_empty() { Ok(()) } else { Err(wrong()) }
}
