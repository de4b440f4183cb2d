//! Records of connections written by the programs: `struct record` of `bpf/mesh.h`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use l4::direct::Ended;
use l4::ending::{Ending, Side};
use l4::health::ReachedLimit;
use rustix::io::Errno;

use crate::layout::Reader;
use crate::tables::{Interval, IntervalVerdict};

/// Record as written by a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    /// State of the socket before the event.
    state: State,
    /// `true`: the peer has finished.
    finished: bool,
    /// Limit that was reached, if it was refused for that.
    full: Option<Ending>,
    error: u32,
    pub(crate) now: u64,
    sent: u64,
    received: u64,
    round_trip: u32,
    sent_again: u32,
    pub(crate) client: SocketAddr,
    pub(crate) birth: Birth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Opened,
    Ended,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Established,
    SynSent,
    Other,
}

/// Facts about a connection since connect(2): its socket, its process, and the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Birth {
    pub(crate) cookie: u64,
    pub(crate) started: u64,
    established: u64,
    pub(crate) draw: u64,
    pub(crate) command: Arc<str>,
    pub(crate) at: SocketAddr,
    pub(crate) slot: u32,
    pub(crate) process: u32,
    pub(crate) interval: usize,
    pub(crate) endpoint: usize,
    first: Option<Side>,
}

impl Record {
    /// Decodes a record; `None`: the bytes are none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let kind = match reader.byte()? {
            1 => Kind::Opened,
            2 => Kind::Ended,
            3 => Kind::Refused,
            _ => return None,
        };
        let state = match reader.byte()? {
            1 => State::Established,
            2 => State::SynSent,
            _ => State::Other,
        };
        let finished = reader.byte()? != 0;
        let full = match reader.byte()? {
            1 => Some(Ending::Limit),
            2 => Some(Ending::BackendLimit),
            3 => Some(Ending::PendingLimit),
            _ => None,
        };
        let error = reader.word()?;
        let (now, sent, received) = (reader.long()?, reader.long()?, reader.long()?);
        let (round_trip, sent_again) = (reader.word()?, reader.word()?);
        let (client, port) = (reader.ip()?, reader.word()?);
        reader.word()?;
        let client = SocketAddr::new(client, u16::try_from(port).unwrap_or(0));
        let birth = Birth::read(&mut reader)?;
        let record = Self {
            kind,
            state,
            finished,
            full,
            error,
            now,
            sent,
            received,
            round_trip,
            sent_again,
            client,
            birth,
        };
        Some(record)
    }

    /// Record of the opening of a live connection, from what programs keep of it; `None`: it is not established.
    pub(crate) fn of_living(kept: &[u8], client: SocketAddr) -> Option<Self> {
        let birth = Birth::read(&mut Reader(kept))?;
        (birth.established > 0).then_some(Self {
            kind: Kind::Opened,
            state: State::Established,
            finished: false,
            full: None,
            error: 0,
            now: birth.established,
            sent: 0,
            received: 0,
            round_trip: 0,
            sent_again: 0,
            client,
            birth,
        })
    }

    /// How long establishing it took; `None`: it is not established.
    pub(crate) fn connect_time(&self) -> Option<Duration> {
        let Birth { started, established, .. } = self.birth;
        (established > 0).then(|| Duration::from_nanos(established.saturating_sub(started)))
    }

    /// Limit that was reached, if it was refused for that.
    pub(crate) fn full(&self) -> Option<Ending> {
        self.full
    }

    /// End of the connection, or its refusal; `by_us`: reason for which we aborted it, if we did.
    pub(crate) fn ended(&self, interval: Option<&Interval>, by_us: Option<&(Ending, Arc<str>)>) -> Ended {
        let (ending, why) = match (self.kind, interval.map(|interval| &interval.verdict)) {
            (Kind::Refused, Some(IntervalVerdict::Go(turns))) => {
                let name = &turns.cluster.name;
                match self.full {
                    Some(Ending::PendingLimit) => {
                        (Ending::PendingLimit, ReachedLimit::Pending.in_words(name).into())
                    }
                    Some(_) | None => (Ending::BackendLimit, ReachedLimit::Connections.in_words(name).into()),
                }
            }
            (Kind::Refused, _) if self.full.is_some() => {
                (Ending::Limit, "the listener has as many connections as it may have".into())
            }
            (Kind::Refused, Some(IntervalVerdict::Refuse(refusal, why))) => {
                (Ending::from(*refusal), Arc::clone(why))
            }
            (Kind::Refused, _) => (Ending::NoBackend, "the listener has no route".into()),
            (Kind::Opened | Kind::Ended, _) => match (self.ending(), by_us) {
                ((Ending::Drained, _), Some(by_us)) => by_us.clone(),
                (ending, _) => ending,
            },
        };
        Ended {
            ending,
            why,
            // the peer's FIN counts as a byte
            bytes: [self.sent, self.received.saturating_sub(self.finished.into())],
            connect_time: self.connect_time(),
            duration: Duration::from_nanos(self.now.saturating_sub(self.birth.started)),
            round_trip: self.round_trip,
            sent_again: self.sent_again,
        }
    }

    fn ending(&self) -> (Ending, Arc<str>) {
        let errno = i32::try_from(self.error).ok().filter(|errno| *errno > 0).map(Errno::from_raw_os_error);
        let words = || errno.map_or_else(|| "".into(), |errno| errno.to_string().into());
        if self.state == State::SynSent {
            return match errno {
                None => (Ending::ClientReset, "the client gave up".into()),
                Some(Errno::TIMEDOUT) => (Ending::ConnectTimeout, self.at(errno)),
                Some(_) => (Ending::ConnectRefused, self.at(errno)),
            };
        }
        match (errno, self.birth.first) {
            (None, Some(first)) => (Ending::closed_by(first), "".into()),
            (None, None) => (Ending::ClientReset, "".into()),
            (Some(Errno::CONNABORTED), _) => {
                (Ending::Drained, "it was destroyed by somebody on this host".into())
            }
            // broken pipe: the end of a connection that was reset after the backend had finished
            (Some(_), _) => (Ending::BackendReset, words()),
        }
    }

    fn at(&self, errno: Option<Errno>) -> Arc<str> {
        match errno {
            Some(errno) => format!("{}: {errno}", self.birth.at).into(),
            None => "".into(),
        }
    }
}

impl Birth {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (cookie, started, established) = (reader.long()?, reader.long()?, reader.long()?);
        let (draw, _turn, _hold) = (reader.long()?, reader.long()?, reader.long()?);
        let (_dialled, at) = (reader.ip()?, reader.ip()?);
        let command = reader.take::<16>()?;
        let _dialled_port = reader.short()?;
        let at = SocketAddr::new(at, u16::from_be_bytes(reader.take()?));
        let (slot, _number, process) = (reader.word()?, reader.word()?, reader.word()?);
        let (_user, _user_timeout, _connect_timeout) = (reader.word()?, reader.word()?, reader.word()?);
        let (interval, endpoint) = (reader.short()?.into(), reader.short()?.into());
        let first = match reader.byte()? {
            1 => Some(Side::Client),
            2 => Some(Side::Backend),
            _ => None,
        };
        let end = command.iter().position(|byte| *byte == 0).unwrap_or(command.len());
        let command = String::from_utf8_lossy(command.get(..end).unwrap_or_default()).into();
        Some(Self {
            cookie,
            started,
            established,
            draw,
            command,
            at,
            slot,
            process,
            interval,
            endpoint,
            first,
        })
    }
}
