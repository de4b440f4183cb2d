//! TLS sessions.

use std::task::Poll;

use l4::config::TlsVersion;
use s2n_tls::connection::Connection;
use s2n_tls::enums::{Mode, Version as Spoken};
use s2n_tls::error::Error;

use crate::context::{Judged, TlsContext};
use crate::failure::Failure;
use crate::records::{ALERT, HANDSHAKE, Records};
use crate::rule::PeerIdentity;
use crate::wire::{Wire, attach, free_handshake, with_wire};

/// TLS session of one connection: bytes in, bytes out.
///
/// Bytes to send are appended to a buffer of the caller, also if a call fails: then they are the alert for the peer.
pub struct Session {
    connection: Connection,
    /// `true`: bytes arrived that may be TLS.
    begun: bool,
    /// Position of the arrived bytes in the stream of records.
    records: Records,
    /// `true`: the end of the peer's data was read, or is kept in `withheld`.
    ended: bool,
    /// Alert of a peer at TLS 1.2, and the bytes after it.
    withheld: Vec<u8>,
    /// Server name that was asked for, once the handshake is done: the library would look it up in freed memory.
    server_name: Option<Box<str>>,
}

/// Progress of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeProgress {
    /// Number of given bytes that were taken; the rest belongs to the first call of [`Session::open`].
    pub taken: usize,
    /// `true`: the handshake is complete.
    pub done: bool,
}

/// Result of decrypting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Number of plaintext bytes.
    pub bytes: usize,
    /// `true`: the peer sends nothing more.
    pub ended: bool,
}

/// Facts about a session after its handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Protocol version.
    pub version: TlsVersion,
    /// Cipher suite, as the library names it.
    pub cipher: String,
    /// Agreed protocol (ALPN); `None`: none.
    pub alpn: Option<String>,
    /// Requested server name (SNI); `None`: none, or not valid text.
    pub server_name: Option<String>,
    /// Verified identity of the peer.
    pub peer: PeerIdentity,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("records", &self.records)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Creates the session of an accepted connection.
    ///
    /// # Errors
    /// If the library has no memory for it.
    pub fn accept(context: &TlsContext) -> Result<Self, Failure> {
        Self::of(Mode::Server, context).map_err(|error| Failure::of(&error, None))
    }

    /// Creates the session of an opened connection. `server_name` (SNI) has at most 255 bytes; `None`: no SNI.
    ///
    /// # Errors
    /// If the name is too long or has a zero byte in it, or the library has no memory.
    pub fn connect(context: &TlsContext, server_name: Option<&str>) -> Result<Self, Failure> {
        let named = || {
            let mut session = Self::of(Mode::Client, context)?;
            if let Some(name) = server_name {
                session.connection.set_server_name(name)?;
            }
            Ok(session)
        };
        named().map_err(|error: Error| Failure::of(&error, None))
    }

    fn of(mode: Mode, context: &TlsContext) -> Result<Self, Error> {
        let mut connection = Connection::new(mode);
        connection.set_config(context.config.clone())?;
        connection.prefer_throughput()?;
        attach(&mut connection)?;
        Ok(Self {
            connection,
            begun: false,
            records: Records::default(),
            ended: false,
            withheld: Vec::new(),
            server_name: None,
        })
    }

    /// Advances the handshake as far as the given bytes allow. A client begins without bytes.
    ///
    /// # Errors
    /// If the handshake fails.
    pub fn handshake(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<HandshakeProgress, Failure> {
        if let (Some(first), false) = (bytes.first(), self.begun) {
            // the library would wait for as many bytes as a plaintext happens to announce
            if ![HANDSHAKE, ALERT].contains(first) {
                return Err(Failure::Protocol("what it sent is no TLS"));
            }
            self.begun = true;
        }
        let mut wire = Wire { incoming: bytes, outgoing: out };
        let polled = with_wire(&mut self.connection, &mut wire, |connection| {
            connection.poll_negotiate().map_ok(|_| ())
        });
        let taken = bytes.len() - wire.incoming.len();
        self.records.pass(&bytes[..taken]);
        match polled {
            Ok(Poll::Pending) => Ok(HandshakeProgress { taken, done: false }),
            Ok(Poll::Ready(Ok(()))) => {
                self.server_name = self.connection.server_name().map(Into::into);
                free_handshake(&mut self.connection);
                self.rest();
                Ok(HandshakeProgress { taken, done: true })
            }
            Ok(Poll::Ready(Err(error))) | Err(error) => Err(self.fail(&error, out)),
        }
    }

    /// Decrypts arrived bytes. `plain` must have room for the given bytes and one record more.
    ///
    /// # Errors
    /// If the bytes were altered or are invalid, or the peer aborted; `plain` is then unusable.
    pub fn open(&mut self, bytes: &[u8], plain: &mut [u8], out: &mut Vec<u8>) -> Result<Opened, Failure> {
        let given =
            if self.keeps_sending_after_alert() { self.records.before_alert(bytes) } else { bytes.len() };
        let (bytes, alert) = bytes.split_at(if self.ended { 0 } else { given });
        let mut wire = Wire { incoming: bytes, outgoing: out };
        let mut read = 0;
        let polled = with_wire(&mut self.connection, &mut wire, |connection| {
            while read < plain.len() {
                match connection.poll_recv(&mut plain[read..]) {
                    Poll::Ready(Ok(0)) => return Ok(true),
                    Poll::Ready(Ok(bytes)) => read += bytes,
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => return Ok(false),
                }
            }
            Ok(false)
        });
        let taken = bytes.len() - wire.incoming.len();
        self.records.pass(&bytes[..taken]);
        match polled {
            Ok(Ok(ended)) => {
                self.withheld.extend_from_slice(alert);
                self.ended |= ended || !alert.is_empty();
                Ok(Opened { bytes: read, ended: self.ended })
            }
            Ok(Err(error)) | Err(error) => Err(self.fail(&error, out)),
        }
    }

    /// Encrypts bytes.
    ///
    /// # Errors
    /// If the connection has failed or was ended.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut wire = Wire { incoming: &[], outgoing: out };
        let sent = with_wire(&mut self.connection, &mut wire, |connection| {
            let mut at = 0;
            while at < plain.len() {
                match connection.poll_send(&plain[at..]) {
                    Poll::Ready(Ok(sent)) => at += sent,
                    Poll::Ready(Err(error)) => return Err(error),
                    // writing always has room
                    Poll::Pending => return Err(Error::application("nothing can be written".into())),
                }
            }
            Ok(())
        });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(self.fail(&error, out)),
        }
    }

    /// Sends the end of the data to the peer (close_notify).
    ///
    /// At TLS 1.2 the library then reads nothing more. So as long as the peer may send, the end of the connection
    /// itself takes its place, which every proxy treats the same.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.is_tls13() || self.ended {
            self.say_goodbye(out);
        }
    }

    /// Facts about the session; `None`: the handshake is not done.
    pub fn facts(&self) -> Option<SessionFacts> {
        let peer = match self.connection.application_context::<Judged>() {
            Some(Judged(Ok(peer))) => peer.clone(),
            Some(Judged(Err(_))) => return None,
            // an unverified peer has no identity
            None => PeerIdentity::default(),
        };
        let alpn = self.connection.application_protocol();
        Some(SessionFacts {
            version: self.version()?,
            cipher: self.connection.cipher_suite().ok()?.to_owned(),
            alpn: alpn.map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
            server_name: self.server_name.as_deref().map(ToOwned::to_owned),
            peer,
        })
    }

    /// Releases the memory that is needed only while bytes move; the next ones allocate it again. Worthwhile for a
    /// connection that is silent for long: it costs more than a small message.
    pub fn rest(&mut self) {
        // refused while part of a record is kept, which needs that memory
        let _ = self.connection.release_buffers();
    }

    /// Protocol version; `None`: the handshake is not done.
    pub fn version(&self) -> Option<TlsVersion> {
        let version = if self.is_tls13() { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
        self.connection.handshake_complete().then_some(version)
    }

    /// Returns `true` if the peer's connection ended inside a record: the received data is incomplete.
    pub fn is_truncated(&self) -> bool {
        self.records.is_inside()
    }

    fn is_tls13(&self) -> bool {
        self.connection.actual_protocol_version().is_ok_and(|version| version == Spoken::TLS13)
    }

    /// At TLS 1.2 the library sends nothing after it has read the peer's end, as its standard says; peers that
    /// half-close a connection expect the answer all the same. So the end is detected by the border of its record, and
    /// not given to the library. Forging it gains nothing: closing the connection has the same effect.
    fn keeps_sending_after_alert(&self) -> bool {
        !self.is_tls13()
    }

    fn say_goodbye(&mut self, out: &mut Vec<u8>) {
        let mut wire = Wire { incoming: &[], outgoing: out };
        // a session that failed or ended has sent its alert already
        let _ = with_wire(&mut self.connection, &mut wire, |connection| {
            connection.poll_shutdown_send().map_ok(|_| ())
        });
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) -> Failure {
        // the library sends the alert together with the end of the connection
        self.say_goodbye(out);
        match self.connection.application_context::<Judged>() {
            Some(Judged(Err(distrust))) => Failure::Distrusted(distrust.clone()),
            Some(Judged(Ok(_))) | None => Failure::of(error, self.connection.alert()),
        }
    }
}
