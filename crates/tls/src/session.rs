//! One TLS connection.

use std::task::Poll;

use l4::config::TlsVersion;
use s2n_tls::connection::Connection;
use s2n_tls::enums::{Mode, Version as Spoken};
use s2n_tls::error::Error;

use crate::context::{Context, Judged};
use crate::failure::Failure;
use crate::records::{ALERT, HANDSHAKE, Records};
use crate::rule::Peer;
use crate::wire::{Wire, attach, free_handshake, with_wire};

/// One TLS connection: bytes in, bytes out.
///
/// What is to be sent is appended to a buffer of the caller, also when a call fails: then it is the alert that tells the peer.
pub struct Session {
    connection: Connection,
    /// Something arrived that may be TLS.
    begun: bool,
    /// Where the bytes that arrived end.
    records: Records,
    /// The end of what the peer sends was read, or is kept in `withheld`.
    ended: bool,
    /// The alert of a peer at TLS 1.2, and what came behind it.
    withheld: Vec<u8>,
    /// Server name that was asked for, once the handshake is done: the library would look it up in freed memory.
    server_name: Option<Box<str>>,
}

/// How far a handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many of the given bytes were taken; the others are the first that [`Session::open`] is to be given.
    pub taken: usize,
    /// Both sides have proven who they are.
    pub done: bool,
}

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// How many plain bytes there are.
    pub bytes: usize,
    /// The peer said that it sends nothing more.
    pub ended: bool,
}

/// What is known after a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The version that is spoken.
    pub version: TlsVersion,
    /// The cipher suite, as the library calls it.
    pub cipher: String,
    /// The protocol that was agreed on (ALPN); `None`: none was.
    pub alpn: Option<String>,
    /// The server name that was asked for; `None`: none was, or it is no text.
    pub server_name: Option<String>,
    /// Whom the peer has proven to be.
    pub peer: Peer,
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
    /// The session of a connection that was accepted.
    ///
    /// # Errors
    /// When the library has no memory for it.
    pub fn accept(context: &Context) -> Result<Self, Failure> {
        Self::of(Mode::Server, context).map_err(|error| Failure::of(&error, None))
    }

    /// The session of a connection that was made, which asks for `server_name`, of at most 255 bytes; `None`: for none.
    ///
    /// # Errors
    /// When the name is too long or has a zero in it, or the library has no memory.
    pub fn connect(context: &Context, server_name: Option<&str>) -> Result<Self, Failure> {
        let named = || {
            let mut session = Self::of(Mode::Client, context)?;
            if let Some(name) = server_name {
                session.connection.set_server_name(name)?;
            }
            Ok(session)
        };
        named().map_err(|error: Error| Failure::of(&error, None))
    }

    fn of(mode: Mode, context: &Context) -> Result<Self, Error> {
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

    /// Takes the handshake as far as the given bytes go. A client begins with none.
    ///
    /// # Errors
    /// When it comes to nothing.
    pub fn handshake(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, Failure> {
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
            Ok(Poll::Pending) => Ok(Progress { taken, done: false }),
            Ok(Poll::Ready(Ok(()))) => {
                self.server_name = self.connection.server_name().map(Into::into);
                free_handshake(&mut self.connection);
                self.rest();
                Ok(Progress { taken, done: true })
            }
            Ok(Poll::Ready(Err(error))) | Err(error) => Err(self.fail(&error, out)),
        }
    }

    /// Decrypts what arrived. `plain` has room for all of it: the bytes given and one record more.
    ///
    /// # Errors
    /// When what arrived is not what the peer sent, or the peer gave up; `plain` is then of no use.
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
    /// When the connection has failed or was ended.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut wire = Wire { incoming: &[], outgoing: out };
        let sent = with_wire(&mut self.connection, &mut wire, |connection| {
            let mut at = 0;
            while at < plain.len() {
                match connection.poll_send(&plain[at..]) {
                    Poll::Ready(Ok(sent)) => at += sent,
                    Poll::Ready(Err(error)) => return Err(error),
                    // what is written has always room
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

    /// Says to the peer that nothing more will be sent (close_notify).
    ///
    /// At TLS 1.2 the library then reads nothing more. So as long as the peer may send, the end is left to the connection itself,
    /// which every proxy takes for the same.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.is_tls13() || self.ended {
            self.say_goodbye(out);
        }
    }

    /// What was agreed on, and with whom; `None` before the handshake is done.
    pub fn facts(&self) -> Option<Facts> {
        let peer = match self.connection.application_context::<Judged>() {
            Some(Judged(Ok(peer))) => peer.clone(),
            Some(Judged(Err(_))) => return None,
            // whoever answers is believed, and proves nothing
            None => Peer::default(),
        };
        let alpn = self.connection.application_protocol();
        Some(Facts {
            version: self.version()?,
            cipher: self.connection.cipher_suite().ok()?.to_owned(),
            alpn: alpn.map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
            server_name: self.server_name.as_deref().map(ToOwned::to_owned),
            peer,
        })
    }

    /// Gives back the memory that only moving bytes needs; it is taken again with the next ones. Worth it for who is silent for long:
    /// it costs more than a small message.
    pub fn rest(&mut self) {
        // refused while part of a record is kept, which is what its memory is for
        let _ = self.connection.release_buffers();
    }

    /// The version that is spoken; `None` before the handshake is done.
    pub fn version(&self) -> Option<TlsVersion> {
        let version = if self.is_tls13() { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
        self.connection.handshake_complete().then_some(version)
    }

    /// Whether the peer's connection ended inside a record: what came before it is not all that it sent.
    pub fn is_truncated(&self) -> bool {
        self.records.is_inside()
    }

    fn is_tls13(&self) -> bool {
        self.connection.actual_protocol_version().is_ok_and(|version| version == Spoken::TLS13)
    }

    /// At TLS 1.2 the library sends nothing after it has read the peer's end, as the standard of its time says; peers that close half
    /// of a connection expect the answer all the same. So the end is taken by the border of its record, and not given to the library.
    /// Nobody gains by forging that: closing the connection has the same effect.
    fn keeps_sending_after_alert(&self) -> bool {
        !self.is_tls13()
    }

    fn say_goodbye(&mut self, out: &mut Vec<u8>) {
        let mut wire = Wire { incoming: &[], outgoing: out };
        // whoever has failed or ended already has said so
        let _ = with_wire(&mut self.connection, &mut wire, |connection| {
            connection.poll_shutdown_send().map_ok(|_| ())
        });
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) -> Failure {
        // the library sends the alert of what went wrong with the end of the connection
        self.say_goodbye(out);
        match self.connection.application_context::<Judged>() {
            Some(Judged(Err(distrust))) => Failure::Distrusted(distrust.clone()),
            Some(Judged(Ok(_))) | None => Failure::of(error, self.connection.alert()),
        }
    }
}
