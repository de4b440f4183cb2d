//! Outlet of one queue: its sink, opened on demand, reopened when it was moved, and left alone for a while after an
//! error.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use l4::config::LogSink;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::whole::{Cut, Rest, Room, lines};

/// Interval at which a log file is compared with what its path leads to.
const FILE_CHECK: Duration = Duration::from_secs(1);
/// Pause after a sink failed.
const RETRY: Duration = Duration::from_secs(2);
/// Longest wait for the disk of a file at the start.
const DISK_PATIENCE: Duration = Duration::from_secs(1);
/// Connect timeout of a TCP sink.
const TCP_PATIENCE: Duration = Duration::from_secs(1);

/// Unfinished lines on the streams that this whole process shares.
static STDOUT: Mutex<Rest> = Mutex::new(Rest::NOTHING);
static STDERR: Mutex<Rest> = Mutex::new(Rest::NOTHING);

/// Sink, open or not.
pub(super) struct Outlet {
    sink: LogSink,
    open: Option<Open>,
    checked: Option<Instant>,
    failed: Option<Instant>,
}

enum Open {
    Stdout(Room),
    Stderr(Room),
    File(File, Room, Rest),
    Tcp(TcpStream),
}

impl Outlet {
    /// Creates a sink that is opened with its first lines.
    pub(super) fn new(sink: LogSink) -> Self {
        Self { sink, open: None, checked: None, failed: None }
    }

    /// The same, open already where that is a file: a file that is open can be written when no descriptor is left. One on a
    /// disk that does not answer is opened with its first lines, as any other sink: it holds up those.
    ///
    /// # Errors
    /// The sink cannot be opened.
    pub(super) fn opened(sink: LogSink) -> io::Result<Self> {
        let mut outlet = Self::new(sink);
        let LogSink::File(path) = &outlet.sink else { return Ok(outlet) };
        let (done, is_done) = mpsc::channel();
        let opening = outlet.sink.clone();
        std::thread::Builder::new().name("proxy-log-open".into()).spawn(move || {
            // nobody waits any more if it has taken too long
            let _ = done.send(Open::new(&opening));
        })?;
        match is_done.recv_timeout(DISK_PATIENCE) {
            Ok(Ok(open)) => outlet.open = Some(open),
            Ok(Err(error)) => {
                let message = format!("the connection log {path} cannot be opened: {error}");
                return Err(io::Error::new(error.kind(), message));
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                tracing::warn!(
                    path = &**path,
                    "the disk of the connection log does not answer: lines wait for it"
                );
            }
        }
        Ok(outlet)
    }

    pub(super) fn sink(&self) -> &LogSink {
        &self.sink
    }

    /// Marks a file to be reopened before its next lines. Errors are reported then.
    pub(super) fn reopen(&mut self) {
        self.failed = None;
        if let Some(Open::File(..)) = self.open
            && let Ok(open) = Open::new(&self.sink)
        {
            self.open = Some(open);
        }
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// Number of lost lines, and the reason; it is `None` while a failed sink is left alone.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), (u64, Option<io::Error>)> {
        if self.failed.is_some_and(|failed| failed.elapsed() < RETRY) {
            return Err((lines(bytes), None));
        }
        self.follow().and_then(|()| self.try_write(bytes)).map_err(|Cut { lines: lost, error }| {
            self.failed = Some(Instant::now());
            // a file is kept with the line that was begun in it; the peer of a connection may never come back
            if let Some(Open::Tcp(_)) = self.open {
                self.open = None;
            }
            let lost = if lost == ALL { lines(bytes) } else { lost };
            (lost, Some(error))
        })
    }

    fn follow(&mut self) -> Result<(), Cut> {
        if let (Some(Open::File(file, ..)), LogSink::File(path)) = (&self.open, &self.sink)
            && self.checked.is_none_or(|checked| checked.elapsed() >= FILE_CHECK)
        {
            self.checked = Some(Instant::now());
            if was_moved(file, path) {
                match Open::new(&self.sink) {
                    Ok(open) => self.open = Some(open),
                    // a file that was moved is better than none
                    Err(error) if is_exhausted(&error) => {}
                    Err(error) => {
                        self.open = None;
                        return Err(Cut { lines: ALL, error });
                    }
                }
            }
        }
        if self.open.is_none() {
            self.open = Some(Open::new(&self.sink).map_err(|error| Cut { lines: ALL, error })?);
        }
        Ok(())
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        let shared = |rest: &'static Mutex<Rest>| rest.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut self.open {
            None => Ok(()),
            Some(Open::Stdout(room)) => shared(&STDOUT).write(io::stdout().as_fd(), *room, bytes),
            Some(Open::Stderr(room)) => shared(&STDERR).write(io::stderr().as_fd(), *room, bytes),
            Some(Open::File(file, room, rest)) => rest.write(file.as_fd(), *room, bytes),
            // a connection that was cut within a line is given up: the next one begins with a line
            Some(Open::Tcp(stream)) => Rest::of(&[]).write(stream.as_fd(), Room::AfterReader, bytes),
        }
    }
}

/// All lines.
const ALL: u64 = u64::MAX;

impl Open {
    fn new(sink: &LogSink) -> io::Result<Self> {
        match sink {
            LogSink::Stdout => Ok(Self::Stdout(Room::of(io::stdout().as_fd()))),
            LogSink::Stderr => Ok(Self::Stderr(Room::of(io::stderr().as_fd()))),
            LogSink::File(path) => {
                let file = append(path)?;
                let (room, rest) = (Room::of(file.as_fd()), after(&file));
                Ok(Self::File(file, room, rest))
            }
            LogSink::Tcp(address) => connect(address).map(Self::Tcp),
        }
    }
}

/// Opens a file for appending. A FIFO without a reader is opened too, without blocking.
fn append(path: &str) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.append(true).create(true).custom_flags(flags);
    match options.clone().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
        opened => opened,
    }
}

/// Returns what must be written first into a file that ends in the middle of a line.
fn after(file: &File) -> Rest {
    let mut last = [b'\n'];
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map_or(0, |it| it.len());
    if let Some(at) = size.checked_sub(1) {
        // a file that cannot be read is assumed to be whole
        let _ = file.read_at(&mut last, at);
    }
    if last == [b'\n'] { Rest::NOTHING } else { Rest::of(b"\n") }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{address} has no address"));
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TCP_PATIENCE) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Returns `true` if the process or the host has no descriptor left.
fn is_exhausted(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn was_moved(file: &File, path: &str) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) != (named.dev(), named.ino()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ends_in_half_a_line_goes_on_with_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\nhal").unwrap();
        let mut outlet = Outlet::opened(LogSink::File(path.to_str().unwrap().into())).unwrap();
        outlet.write(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nhal\ntwo\n");
    }

    #[test]
    fn a_fifo_that_nobody_reads_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        let mut outlet = Outlet::opened(LogSink::File(path.to_str().unwrap().into())).unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let lost = (0..100).find_map(|_| outlet.write(&line).err());
        let (lost, why) = lost.unwrap();
        assert_eq!((lost, why.unwrap().kind()), (1, io::ErrorKind::TimedOut));
        assert_eq!(outlet.write(&line).unwrap_err().0, 1, "it is left alone for a while");
    }
}
