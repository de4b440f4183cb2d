//! The thread that writes log lines to where they go.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use l4::config::Sink;
use rustix::io::Errno;

use crate::guard::{Part, again, caught};

/// How many batches may wait for the writer: at 32 KiB each, 8 MiB at most.
const WAITING_BATCHES: usize = 256;
/// How often a log file is compared with what its path leads to now.
const FILE_CHECK: Duration = Duration::from_secs(1);
/// How long a sink is left alone after it failed.
const RETRY: Duration = Duration::from_secs(2);
/// How long a TCP sink may keep the others waiting.
const TCP_PATIENCE: Duration = Duration::from_secs(1);

/// Whole lines for one sink.
pub(crate) struct Batch {
    pub(crate) sink: Arc<Sink>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: u64,
}

/// The writer thread. It ends when every sender is gone.
pub(crate) struct Writer {
    thread: JoinHandle<()>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    /// Opens the proxy's own log, if that is a file, and starts the thread. A file that is open can be written when no
    /// descriptor is left; another end of a TCP connection may come later.
    ///
    /// # Errors
    /// When the file cannot be opened, or the thread not be started.
    pub(crate) fn start(own: Option<&Sink>) -> io::Result<(Self, SyncSender<Batch>)> {
        let mut outlets: BTreeMap<Arc<Sink>, Outlet> = BTreeMap::new();
        if let Some(sink @ Sink::File(path)) = own {
            let open = Open::new(sink).map_err(|error| {
                io::Error::new(error.kind(), format!("the connection log {path} cannot be opened: {error}"))
            })?;
            outlets.insert(Arc::new(sink.clone()), Outlet { open: Some(open), ..Outlet::default() });
        }
        let (sender, batches) = mpsc::sync_channel(WAITING_BATCHES);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("proxy-log".into())
            .spawn(move || again(Part::Log, || write_all(&batches, &mut outlets, &counter)))?;
        Ok((Self { thread, dropped }, sender))
    }

    /// How many lines could not be written.
    pub(crate) fn dropped(&self) -> &Arc<AtomicU64> {
        &self.dropped
    }

    /// Waits until everything is written. Every sender has to be gone.
    pub(crate) fn join(self) {
        let _ = self.thread.join();
    }
}

fn write_all(batches: &Receiver<Batch>, outlets: &mut BTreeMap<Arc<Sink>, Outlet>, dropped: &AtomicU64) {
    let mut reported = dropped.load(Relaxed);
    for Batch { sink, bytes, lines } in batches {
        let outlet = outlets.entry(Arc::clone(&sink)).or_default();
        let written = caught(Part::Log, || outlet.write(&sink, &bytes)).unwrap_or(Err(None));
        if let Err(error) = written {
            dropped.fetch_add(lines, Relaxed);
            if let Some(error) = error {
                tracing::warn!(?sink, %error, "log lines cannot be written; trying again in a while");
            }
        }
        let lost = dropped.load(Relaxed);
        if lost > reported && outlet.may_report() {
            tracing::warn!(lines = lost - reported, "log lines were dropped");
            reported = lost;
        }
    }
}

/// An open sink.
#[derive(Default)]
struct Outlet {
    open: Option<Open>,
    checked: Option<Instant>,
    failed: Option<Instant>,
    reported: Option<Instant>,
}

enum Open {
    Stdout,
    Stderr,
    File(File),
    Tcp(TcpStream),
}

impl Outlet {
    /// Writes whole lines. The error is `None` while a sink that failed is left alone.
    fn write(&mut self, sink: &Sink, bytes: &[u8]) -> Result<(), Option<io::Error>> {
        if self.failed.is_some_and(|failed| failed.elapsed() < RETRY) {
            return Err(None);
        }
        let written = self.try_write(sink, bytes);
        if written.is_err() {
            self.open = None;
            self.failed = Some(Instant::now());
        }
        written.map_err(Some)
    }

    fn try_write(&mut self, sink: &Sink, bytes: &[u8]) -> io::Result<()> {
        if let (Some(Open::File(file)), Sink::File(path)) = (&self.open, sink)
            && self.checked.is_none_or(|checked| checked.elapsed() >= FILE_CHECK)
        {
            self.checked = Some(Instant::now());
            if was_moved(file, path) {
                match Open::new(sink) {
                    Ok(open) => self.open = Some(open),
                    // rather the file that was moved than none
                    Err(error) if is_exhausted(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::new(sink)?),
        };
        match open {
            Open::Stdout => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
            Open::Stderr => io::stderr().write_all(bytes),
            Open::File(file) => file.write_all(bytes),
            Open::Tcp(stream) => stream.write_all(bytes),
        }
    }

    fn may_report(&mut self) -> bool {
        let quiet = self.reported.is_none_or(|reported| reported.elapsed() >= Duration::from_secs(10));
        if quiet {
            self.reported = Some(Instant::now());
        }
        quiet
    }
}

impl Open {
    fn new(sink: &Sink) -> io::Result<Self> {
        match sink {
            Sink::Stdout => Ok(Self::Stdout),
            Sink::Stderr => Ok(Self::Stderr),
            Sink::File(path) => OpenOptions::new().append(true).create(true).open(&**path).map(Self::File),
            Sink::Tcp(address) => connect(address).map(Self::Tcp),
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{address} has no address"));
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TCP_PATIENCE) {
            Ok(stream) => {
                stream.set_write_timeout(Some(TCP_PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether the process or the host has no descriptor left.
fn is_exhausted(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn was_moved(file: &File, path: &str) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) != (named.dev(), named.ino()),
        _ => true,
    }
}
