//! Writing of whole lines to a descriptor that may be slow, full, or without a reader.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

/// Number of bytes that a pipe with room takes at once, and atomically (PIPE_BUF).
const AT_ONCE: usize = 4096;

/// Limit on the time that a write waits for the reader.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Whether a descriptor has room at all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It has, or says that it is full: a file.
    Always,
    /// When its reader has taken something: a pipe, a terminal, a socket.
    AfterReader,
}

impl Room {
    /// That of a descriptor, which stays the same as long as it is open.
    pub(super) fn of(descriptor: BorrowedFd<'_>) -> Self {
        match fstat(descriptor).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file()) {
            true => Self::Always,
            false => Self::AfterReader,
        }
    }
}

/// Rest of a partly written line; empty: what was written ends with a line. It is written first when there is room
/// again, so that a full disk leaves no partial line behind.
#[derive(Debug)]
pub(super) struct Rest(Vec<u8>);

/// Lines that were not written.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

impl Rest {
    /// Nothing unfinished.
    pub(super) const NOTHING: Self = Self(Vec::new());

    /// A rest that is to be written first.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Writes whole lines, or as many of them as there is room for.
    ///
    /// # Errors
    /// Some lines were not written. A line that was begun counts as written: its rest is kept.
    pub(super) fn write(&mut self, to: BorrowedFd<'_>, room: Room, bytes: &[u8]) -> Result<(), Cut> {
        let mut left = bytes;
        let mut work = || -> io::Result<()> {
            while !self.0.is_empty() {
                let written = some(to, room, &self.0)?;
                self.0.drain(..written);
            }
            while !left.is_empty() {
                let next = match room {
                    Room::Always => left,
                    Room::AfterReader => piece(left),
                };
                let written = some(to, room, next)?;
                left = left.get(written..).unwrap_or_default();
            }
            Ok(())
        };
        let Err(error) = work() else { return Ok(()) };
        let written = bytes.len() - left.len();
        let is_begun = written > 0 && bytes.get(written - 1) != Some(&b'\n');
        if is_begun {
            let end = left.iter().position(|byte| *byte == b'\n').map_or(left.len(), |at| at + 1);
            let (rest, lost) = left.split_at(end);
            self.0 = rest.to_vec();
            left = lost;
        }
        Err(Cut { lines: lines(left), error })
    }
}

/// Returns the number of lines that end in some bytes.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Returns the first lines that fit into one write, or the beginning of one that does not.
fn piece(bytes: &[u8]) -> &[u8] {
    let Some(first) = bytes.get(..AT_ONCE) else { return bytes };
    let end = first.iter().rposition(|byte| *byte == b'\n').map_or(AT_ONCE, |at| at + 1);
    first.get(..end).unwrap_or(first)
}

/// Writes some bytes. 0: an interruption, or there was no room after all.
fn some(to: BorrowedFd<'_>, room: Room, bytes: &[u8]) -> io::Result<usize> {
    // a descriptor that others share may not be made non-blocking: so room is polled for first
    let ready = match room {
        Room::Always => Ok(1),
        Room::AfterReader => poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], Some(&PATIENCE)),
    };
    match ready {
        Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it")),
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(0),
        Err(errno) => return Err(errno.into()),
    }
    match rustix::io::write(to, bytes) {
        Ok(written) => Ok(written),
        Err(Errno::INTR | Errno::AGAIN) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

    use super::*;

    #[test]
    fn a_line_that_was_begun_is_ended_when_there_is_room() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        fcntl_setpipe_size(&writer, 2 * AT_ONCE).unwrap();
        let long = |letter: &str| letter.repeat(2 * AT_ONCE - 1) + "b\n";
        let mut rest = Rest::NOTHING;
        let cut = rest.write(writer.as_fd(), Room::AfterReader, (long("a") + "c\n").as_bytes()).unwrap_err();
        assert_eq!((cut.lines, cut.error.kind(), &rest.0[..]), (1, io::ErrorKind::TimedOut, &b"\n"[..]));
        let mut read = vec![0; 3 * AT_ONCE];
        let length = rustix::io::read(&reader, &mut read[..]).unwrap();
        rest.write(writer.as_fd(), Room::AfterReader, b"d\n").unwrap();
        let more = rustix::io::read(&reader, &mut read[length..]).unwrap();
        assert_eq!(read[..length + more], *(long("a") + "d\n").as_bytes());
    }

    #[test]
    fn a_file_takes_all_lines_at_once_and_never_half_of_one() {
        let file = rustix::fs::memfd_create("lines", rustix::fs::MemfdFlags::ALLOW_SEALING).unwrap();
        let lines = "0123456\n".repeat(2 * AT_ONCE);
        let (mut rest, room) = (Rest::NOTHING, Room::of(file.as_fd()));
        assert_eq!(room, Room::Always);
        rest.write(file.as_fd(), room, lines.as_bytes()).unwrap();
        // from here on it is full
        rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::GROW).unwrap();
        let cut = rest.write(file.as_fd(), room, b"a\nb\n").unwrap_err();
        assert_eq!(cut.lines, 2);
        assert_eq!(fstat(&file).unwrap().st_size, lines.len() as i64);
    }

    #[test]
    fn lines_are_taken_together_as_far_as_they_fit() {
        let lines = "0123456\n".repeat(AT_ONCE / 8) + "x";
        assert_eq!(piece(lines.as_bytes()).len(), AT_ONCE);
        let uneven = "012345\n".repeat(AT_ONCE);
        assert!(piece(uneven.as_bytes()).ends_with(b"\n"));
        assert_eq!(piece("a".repeat(2 * AT_ONCE).as_bytes()).len(), AT_ONCE);
    }
}
