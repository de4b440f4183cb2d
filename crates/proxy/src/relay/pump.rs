//! Relay of one direction in plaintext, until one of the sockets has to be waited for.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::pipe::{SpliceFlags, splice};

use super::Buffers;
use super::direction::Direction;
use super::pipes::PIPE_BYTES;
use super::tap::ByteObserver;

/// Number of bytes below which a splice has drained the source: even pieces of one small packet each fill a pipe
/// with more.
const DRAINED: usize = 64 << 10;

/// Reason why moving stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// A socket has to be waited for.
    Blocked,
    /// The quantum is used up; there is more to do.
    More,
    /// A stream gave less than requested: there may be more, but hardly much for a short time.
    Drained,
    /// The source ended and every byte was written: the end can be passed on. Reported once.
    Finished,
    /// A socket failed.
    Failed(Fault),
}

/// Socket that failed, and its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Reading from the source failed.
    Source(Errno),
    /// Writing to the destination failed.
    Destination(Errno),
}

/// Moves bytes from `source` to `destination`, with at most `quantum` reads. `watch` sees each byte.
pub(crate) fn pump<W: ByteObserver>(
    direction: &mut Direction,
    source: BorrowedFd<'_>,
    destination: BorrowedFd<'_>,
    buffers: &mut Buffers,
    quantum: u32,
    watch: &mut W,
) -> Pumped {
    let mut pump = Pump { direction, source, destination, buffers, watch };
    match pump.run(quantum) {
        Ok(pumped) => pumped,
        Err(fault) => Pumped::Failed(fault),
    }
}

struct Pump<'a, W> {
    direction: &'a mut Direction,
    source: BorrowedFd<'a>,
    destination: BorrowedFd<'a>,
    buffers: &'a mut Buffers,
    watch: &'a mut W,
}

impl<W: ByteObserver> Pump<'_, W> {
    fn run(&mut self, quantum: u32) -> Result<Pumped, Fault> {
        let (mut reads_left, mut drained) = (quantum, false);
        loop {
            if !self.write_what_is_kept()? {
                return Ok(Pumped::Blocked);
            }
            if self.direction.ended {
                self.return_pipe();
                let first_time = !std::mem::replace(&mut self.direction.finished, true);
                return Ok(if first_time { Pumped::Finished } else { Pumped::Blocked });
            }
            if !self.direction.readable || !self.direction.writable {
                self.return_pipe();
                return Ok(Pumped::Blocked);
            }
            if drained {
                self.return_pipe();
                return Ok(Pumped::Drained);
            }
            if reads_left == 0 {
                return Ok(Pumped::More);
            }
            reads_left -= 1;
            if self.direction.splicing && self.watch.may_splice() {
                drained = self.splice_in()?;
            } else {
                self.copy()?;
            }
        }
    }

    /// Writes the bytes that an earlier read left. Returns `false` if the destination is full.
    fn write_what_is_kept(&mut self) -> Result<bool, Fault> {
        while self.direction.piped > 0 {
            if !self.direction.writable {
                return Ok(false);
            }
            self.splice_out()?;
        }
        while !self.direction.pending().is_empty() {
            if !self.direction.writable {
                return Ok(false);
            }
            let sent = self.send_pending()?;
            self.direction.note_written(sent);
            if self.direction.pending().is_empty() {
                let emptied = self.direction.take_held();
                self.buffers.keep(emptied);
            }
        }
        Ok(true)
    }

    fn send_pending(&mut self) -> Result<usize, Fault> {
        let sent = send(self.destination, self.direction.pending(), SendFlags::NOSIGNAL);
        self.sent(sent)
    }

    /// Records the bytes that the destination took; 0: it is full.
    fn sent(&mut self, sent: rustix::io::Result<usize>) -> Result<usize, Fault> {
        match sent {
            // never for a non-empty buffer; and treating it as progress would be an endless loop
            Ok(0) => Err(Fault::Destination(Errno::IO)),
            Ok(bytes) => {
                self.direction.moved += bytes as u64;
                Ok(bytes)
            }
            Err(Errno::AGAIN) => {
                self.direction.writable = false;
                Ok(0)
            }
            Err(Errno::INTR) => Ok(0),
            Err(errno) => Err(Fault::Destination(errno)),
        }
    }

    /// Reads into the shared buffer and writes at once; memory is only allocated for what the destination does not
    /// take.
    fn copy(&mut self) -> Result<(), Fault> {
        let received = match recv(self.source, &mut *self.buffers.shared, RecvFlags::empty()) {
            Ok((0, _)) => {
                self.direction.ended = true;
                return Ok(());
            }
            Ok((bytes, _)) => bytes,
            Err(Errno::AGAIN) => {
                self.direction.readable = false;
                return Ok(());
            }
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(Fault::Source(errno)),
        };
        let full = received == self.buffers.shared.len();
        self.direction.note_read(full);
        let mut flags = SendFlags::NOSIGNAL;
        if !full {
            if self.direction.last {
                // the end is the next thing to be read: let the bytes wait for it and leave in one segment
                flags |= SendFlags::MORE;
            } else {
                // edge-triggered: whatever arrives from now on is a new event
                self.direction.readable = false;
            }
        }
        let mut at = 0;
        while at < received && self.direction.writable {
            let sent = send(self.destination, &self.buffers.shared[at..received], flags);
            at += self.sent(sent)?;
        }
        self.watch.note(&self.buffers.shared[..received]);
        if at < received {
            let mut held = self.buffers.emptied.pop().unwrap_or_default();
            held.extend_from_slice(&self.buffers.shared[at..received]);
            self.direction.hold(held);
        }
        Ok(())
    }

    /// Moves bytes into the pipe. Returns `true` if the source is probably drained for now, though more is
    /// expected.
    fn splice_in(&mut self) -> Result<bool, Fault> {
        if self.direction.pipe.is_none() {
            self.direction.pipe = self.buffers.pipes.take();
        }
        let Some(pipe) = &self.direction.pipe else {
            self.direction.stop_splicing();
            return Ok(false);
        };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        match splice(self.source, None, &pipe.write, None, PIPE_BYTES, flags) {
            Ok(0) => self.direction.ended = true,
            Ok(bytes) => {
                self.direction.piped = bytes as u32; // a pipe is not that large
                let noted = self.watch.note_pipe(pipe, bytes, &mut self.buffers.pipes);
                self.direction.note_splice(bytes);
                if noted < bytes {
                    self.unsplice(noted)?;
                    return Ok(false);
                }
                // a pipe may be full of small pieces long before it is full of bytes
                return Ok(bytes < DRAINED && self.direction.splicing && !self.direction.last);
            }
            Err(Errno::AGAIN) => self.direction.readable = false,
            Err(Errno::INTR) => {}
            // a source that cannot be spliced is copied
            Err(Errno::INVAL) => self.direction.stop_splicing(),
            Err(errno) => return Err(Fault::Source(errno)),
        }
        Ok(false)
    }

    /// Takes the content of the pipe out again, since only its first `noted` bytes were noted.
    #[cold]
    fn unsplice(&mut self, noted: usize) -> Result<(), Fault> {
        let (bytes, mut read) = (self.direction.piped as usize, 0);
        let mut held = vec![0; bytes];
        while let (Some(pipe), true) = (&self.direction.pipe, read < bytes) {
            match rustix::io::read(&pipe.read, &mut held[read..]) {
                // the counted bytes are in it
                Ok(0) => return Err(Fault::Source(Errno::IO)),
                Ok(more) => read += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Fault::Source(errno)),
            }
        }
        self.direction.piped = 0;
        self.watch.note(&held[noted..]);
        self.direction.hold(held);
        Ok(())
    }

    fn splice_out(&mut self) -> Result<(), Fault> {
        let Some(pipe) = &self.direction.pipe else {
            self.direction.piped = 0;
            return Ok(());
        };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let sent = splice(&pipe.read, None, self.destination, None, self.direction.piped as usize, flags);
        self.direction.piped -= self.sent(sent)? as u32;
        Ok(())
    }

    /// Returns an empty pipe to the pool, for another direction while this one waits.
    fn return_pipe(&mut self) {
        if let Some(pipe) = self.direction.take_pipe() {
            self.buffers.pipes.give(pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Both ends of a relayed connection: a source to write to, and a destination to read from.
    struct Line {
        into: UnixStream,
        source: UnixStream,
        destination: UnixStream,
        out: UnixStream,
        direction: Direction,
        buffers: Buffers,
    }

    impl Line {
        fn new() -> Self {
            let (into, source) = UnixStream::pair().unwrap();
            let (destination, out) = UnixStream::pair().unwrap();
            for socket in [&into, &source, &destination, &out] {
                socket.set_nonblocking(true).unwrap();
            }
            let direction = Direction::default();
            Self { into, source, destination, out, direction, buffers: Buffers::new() }
        }

        /// Pumps as an event loop does after an event on both sockets.
        fn pump(&mut self) -> Pumped {
            (self.direction.readable, self.direction.writable) = (true, true);
            let (source, destination) = (self.source.as_fd(), self.destination.as_fd());
            pump(&mut self.direction, source, destination, &mut self.buffers, 16, &mut ())
        }

        /// Sends bytes through; returns those that came out.
        fn carry(&mut self, bytes: &[u8]) -> Vec<u8> {
            let (mut sent, mut received) = (0, Vec::new());
            while received.len() < bytes.len() {
                sent += self.into.write(&bytes[sent..]).unwrap_or(0);
                self.pump();
                let mut chunk = vec![0; 128 << 10];
                let read = self.out.read(&mut chunk).unwrap_or(0);
                received.extend_from_slice(&chunk[..read]);
            }
            received
        }
    }

    #[test]
    fn a_destination_that_is_full_stops_the_reading_and_loses_nothing() {
        let mut line = Line::new();
        let bytes: Vec<u8> = (0..4_000_000u32).map(|byte| (byte >> 8) as u8).collect();
        let mut sent = 0;
        loop {
            let (more, blocked) =
                (line.into.write(&bytes[sent..]).unwrap_or(0), line.pump() == Pumped::Blocked);
            sent += more;
            if more == 0 && blocked {
                break;
            }
        }
        assert!(sent < 3_000_000, "somebody buffers without end");
        let mut received = Vec::new();
        while received.len() < sent {
            let mut chunk = vec![0; 64 << 10];
            let read = line.out.read(&mut chunk).unwrap_or(0);
            received.extend_from_slice(&chunk[..read]);
            line.pump();
        }
        assert!(received == bytes[..sent]);
    }

    #[test]
    fn a_pipe_is_back_in_the_pool_while_its_direction_waits() {
        let mut line = Line::new();
        line.direction.splicing = true;
        let bytes = vec![7; 100_000];
        assert!(line.carry(&bytes) == bytes);
        line.pump();
        assert!(line.direction.pipe.is_none());
        assert_eq!(line.buffers.pipes.len(), 1);
    }

    #[test]
    fn the_end_is_reported_once_after_the_last_byte_and_without_a_pipe() {
        let mut line = Line::new();
        line.direction.splicing = true;
        line.into.write_all(b"last").unwrap();
        line.into.shutdown(Shutdown::Write).unwrap();
        // no end was signalled yet, and all bytes are moved
        assert_eq!(line.pump(), Pumped::Drained);
        assert!(line.direction.pipe.is_none());
        assert_eq!(line.pump(), Pumped::Finished);
        assert_eq!(line.pump(), Pumped::Blocked);
        assert!(line.direction.is_finished() && line.direction.pipe.is_none());
        assert_eq!((line.direction.moved, line.buffers.pipes.len()), (4, 1));
    }

    #[test]
    fn small_messages_bring_a_stream_back_to_copying() {
        let mut line = Line::new();
        line.direction.splicing = true;
        for _ in 0..20 {
            assert_eq!(line.carry(b"ping"), b"ping");
        }
        assert!(!line.direction.is_bulk());
    }
}
