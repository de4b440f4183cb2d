//! Taps: copies of the bytes of one direction for a mirror, which may be slow, gone, or hostile without any effect
//! on the original.
//!
//! Small pieces are gathered for a moment, so that a request costs no system call more. What the mirror's socket does not take is
//! held, up to a bound. A stream is copied inside the kernel with tee(2) as long as the mirror keeps up, and by hand while it does not.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use rustix::pipe::{SpliceFlags, splice, tee};
use tls::Session;

use super::Pipes;
use super::pipes::Pipe;

/// Size in bytes from which gathered pieces are sent at once.
const GATHERED: usize = 16 * 1024;

/// What watches the bytes of a direction.
pub(crate) trait ByteObserver {
    /// Returns `true` if the next bytes may be moved without being looked at.
    fn may_splice(&self) -> bool;

    /// Observes bytes that were read.
    fn note(&mut self, bytes: &[u8]);

    /// Observes bytes that are in a pipe, and returns how many of them it has: the first ones.
    fn note_pipe(&mut self, pipe: &Pipe, bytes: usize, pipes: &mut Pipes) -> usize;
}

/// No observer.
impl ByteObserver for () {
    fn may_splice(&self) -> bool {
        true
    }

    fn note(&mut self, _: &[u8]) {}

    fn note_pipe(&mut self, _: &Pipe, bytes: usize, _: &mut Pipes) -> usize {
        bytes
    }
}

/// Reason why a mirror gets no more.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It is too slow: more bytes wait for it than the limit.
    Slow,
    /// Its socket failed.
    Socket,
    /// TLS with it failed.
    Tls,
}

/// State of the end of a mirror's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    /// More bytes come.
    More,
    /// The held bytes are the last.
    Last,
    /// The end was sent.
    Told,
}

/// Tap: bytes on their way to a mirror.
pub(crate) struct Tap {
    socket: OwnedFd,
    /// `true`: the socket is connected, and the TLS handshake, if any, is done.
    open: bool,
    outlook: Outlook,
    /// `true`: the socket may take bytes.
    writable: bool,
    /// TLS session with the mirror; `None`: plaintext.
    session: Option<Session>,
    /// Pipe; present while bytes are in it, which are sent before the held ones.
    pipe: Option<Pipe>,
    piped: usize,
    /// Bytes as they go over the wire, from `written` on.
    held: Vec<u8>,
    written: usize,
    /// Bytes as the client sent them: gathered, or waiting until it is open.
    plain: Vec<u8>,
    /// Bytes of a handshake from the mirror that were not consumed.
    early: Vec<u8>,
    limit: usize,
    lost: Option<Lost>,
    /// Number of the client's bytes that were taken on.
    pub(crate) taken: u64,
}

impl Tap {
    /// Creates a tap to a connecting socket; `first`: the bytes to send before everything else.
    pub(crate) fn new(socket: OwnedFd, first: Vec<u8>, limit: usize) -> Self {
        Self {
            socket,
            open: false,
            outlook: Outlook::More,
            writable: false,
            session: None,
            pipe: None,
            piped: 0,
            held: first,
            written: 0,
            plain: Vec::new(),
            early: Vec::new(),
            limit,
            lost: None,
            taken: 0,
        }
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Takes the first reason why the mirror gets no more, once.
    pub(crate) fn take_lost(&mut self) -> Option<Lost> {
        self.lost.take()
    }

    /// Returns `true` if everything was sent, including the end.
    pub(crate) fn is_finished(&self) -> bool {
        self.outlook == Outlook::Told
    }

    /// Records that the socket takes bytes.
    pub(crate) fn note_writable(&mut self) {
        self.writable = true;
    }

    /// Opens the tap once the socket is connected, and the TLS handshake, if any, is done.
    pub(crate) fn open(&mut self, pipes: &mut Pipes) {
        self.open = true;
        self.pass_on();
        if self.outlook == Outlook::Last {
            self.say_end();
        }
        self.flush(pipes);
    }

    /// Continues by TLS once the socket is connected; the handshake comes next.
    pub(crate) fn shake_with(&mut self, session: Session) {
        self.session = Some(session);
    }

    /// Does a step of the handshake. Returns `true` once it is done.
    pub(crate) fn shake(&mut self, buffer: &mut [u8], pipes: &mut Pipes) -> bool {
        let Some(session) = &mut self.session else { return true };
        match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => {
                self.lose(Lost::Tls);
                return false;
            }
            Ok((bytes, _)) => self.early.extend_from_slice(&buffer[..bytes]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.lose(Lost::Socket);
                return false;
            }
        }
        let progress = session.handshake(&self.early, &mut self.held);
        let done = match progress {
            Ok(progress) => {
                self.early.drain(..progress.taken);
                progress.done
            }
            Err(_) => {
                self.send_held();
                self.lose(Lost::Tls);
                return false;
            }
        };
        if done {
            self.early = Vec::new();
            self.open(pipes);
        } else {
            self.send_held();
        }
        done
    }

    /// Discards the mirror's answers. Returns `true` if it has ended.
    pub(crate) fn discard(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            // TCP frees the kernel's memory without copying it
            match recv(&self.socket, &mut *buffer, RecvFlags::TRUNC) {
                Ok((0, _)) => return true,
                Err(Errno::AGAIN) => return false,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => {
                    self.lose(Lost::Socket);
                    return true;
                }
            }
        }
    }

    /// Sends the end to the mirror after the held bytes.
    pub(crate) fn end(&mut self, pipes: &mut Pipes) {
        if self.outlook == Outlook::More {
            self.outlook = Outlook::Last;
            if self.open {
                self.pass_on();
                self.say_end();
                self.flush(pipes);
            }
        }
    }

    /// Whether small pieces wait to be sent together.
    pub(crate) fn gathers(&self) -> bool {
        self.open && !self.plain.is_empty()
    }

    /// Sends what was gathered, after what is held.
    pub(crate) fn push(&mut self, pipes: &mut Pipes) {
        self.pass_on();
        self.flush(pipes);
    }

    /// Puts what was gathered behind what is held.
    fn pass_on(&mut self) {
        if self.session.is_some() {
            let plain = std::mem::take(&mut self.plain);
            self.seal(&plain);
        } else if self.held.is_empty() {
            std::mem::swap(&mut self.held, &mut self.plain);
        } else {
            self.held.append(&mut self.plain);
        }
    }

    /// Ends TLS, where it is spoken, after what is held.
    fn say_end(&mut self) {
        if let Some(session) = &mut self.session {
            session.end(&mut self.held);
        }
    }

    /// Sends waiting bytes, as far as the socket takes them.
    pub(crate) fn flush(&mut self, pipes: &mut Pipes) {
        while let (Some(pipe), 1.., true) = (&self.pipe, self.piped, self.writable) {
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            match splice(&pipe.read, None, &self.socket, None, self.piped, flags) {
                Ok(sent) => self.piped -= sent,
                Err(Errno::AGAIN) => self.writable = false,
                Err(Errno::INTR) => {}
                Err(_) => return self.lose(Lost::Socket),
            }
        }
        if self.piped > 0 {
            return;
        }
        if let Some(pipe) = self.pipe.take() {
            pipes.give(pipe);
        }
        self.send_held();
        if self.open && self.outlook == Outlook::Last && self.held.is_empty() && self.lost.is_none() {
            self.outlook = Outlook::Told;
            if shutdown(&self.socket, Shutdown::Write).is_err() {
                self.lose(Lost::Socket);
            }
        }
    }

    fn send_held(&mut self) {
        while self.writable && self.written < self.held.len() {
            match send(&self.socket, &self.held[self.written..], SendFlags::NOSIGNAL) {
                Ok(sent) => self.written += sent,
                Err(Errno::AGAIN) => self.writable = false,
                Err(Errno::INTR) => {}
                Err(_) => return self.lose(Lost::Socket),
            }
        }
        if self.written == self.held.len() && self.written > 0 {
            // most mirrors keep up, and hold nothing again
            (self.held, self.written) = (Vec::new(), 0);
        } else if self.written > self.held.len() / 2 {
            self.held.drain(..self.written);
            self.written = 0;
        }
    }

    fn seal(&mut self, plain: &[u8]) {
        let Some(session) = &mut self.session else { return };
        if session.seal(plain, &mut self.held).is_err() {
            self.lose(Lost::Tls);
        }
    }

    /// Number of bytes that wait.
    fn waiting(&self) -> usize {
        self.held.len() - self.written + self.plain.len()
    }

    fn lose(&mut self, why: Lost) {
        self.lost.get_or_insert(why);
        (self.held, self.written, self.plain) = (Vec::new(), 0, Vec::new());
    }
}

impl ByteObserver for Tap {
    fn may_splice(&self) -> bool {
        self.session.is_none() && self.open && self.piped == 0 && self.held.is_empty()
    }

    fn note(&mut self, bytes: &[u8]) {
        if self.lost.is_some() || bytes.is_empty() {
            return;
        }
        self.taken += bytes.len() as u64;
        let nothing_waits = self.piped == 0 && self.waiting() == 0;
        if self.open && self.session.is_none() && self.writable && nothing_waits && bytes.len() >= GATHERED {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => self.held.extend_from_slice(&bytes[sent..]),
                Err(Errno::AGAIN) => {
                    self.writable = false;
                    self.held.extend_from_slice(bytes);
                }
                Err(Errno::INTR) => self.held.extend_from_slice(bytes),
                Err(_) => return self.lose(Lost::Socket),
            }
        } else {
            self.plain.extend_from_slice(bytes);
            if self.open && self.plain.len() >= GATHERED.min(self.limit / 2) {
                self.pass_on();
                if self.piped == 0 {
                    self.send_held();
                }
            }
        }
        if self.waiting() > self.limit {
            self.lose(Lost::Slow);
        }
    }

    fn note_pipe(&mut self, from: &Pipe, bytes: usize, pipes: &mut Pipes) -> usize {
        if self.lost.is_some() {
            return bytes;
        }
        self.push(pipes);
        if self.waiting() > 0 {
            return 0;
        }
        if self.pipe.is_none() {
            self.pipe = pipes.take();
        }
        let Some(pipe) = &self.pipe else { return 0 };
        match tee(&from.read, &pipe.write, bytes, SpliceFlags::NONBLOCK) {
            Ok(copied) => {
                self.piped += copied;
                self.taken += copied as u64;
                self.flush(pipes);
                copied
            }
            Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn small_pieces_are_sent_together_and_large_ones_at_once() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut pipes = Pipes::default();
        let mut tap = Tap::new(ours.into(), Vec::new(), 1 << 20);
        tap.note_writable();
        tap.open(&mut pipes);
        let mut seen = vec![0; 2 * GATHERED];
        tap.note(b"one");
        tap.note(b"two");
        assert!(tap.gathers());
        assert_eq!(theirs.read(&mut seen).unwrap_err().kind(), ErrorKind::WouldBlock);
        tap.push(&mut pipes);
        assert_eq!(theirs.read(&mut seen).unwrap(), 6);
        assert_eq!(&seen[..6], b"onetwo");
        tap.note(b"x");
        tap.note(&vec![b'y'; GATHERED]);
        assert!(!tap.gathers());
        assert_eq!(theirs.read(&mut seen).unwrap(), GATHERED + 1);
        assert_eq!(seen[..2], *b"xy");
    }
}
