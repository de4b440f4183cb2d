//! Log records of connections that ended.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use l4::balance::Draw;
use l4::config::{Backend, Listener, Mirror, Route};
use l4::direct::{Direct, Ended};
use l4::ending::{Ending, MirrorEnd, Side};
use tls::{Session, SessionFacts};

use crate::relay::Ciphers;

/// Connection that finished or was refused.
pub(crate) struct Record<'a> {
    pub(crate) started: Timestamp,
    pub(crate) id: u64,
    pub(crate) listener: &'a Listener,
    pub(crate) generation: u64,
    pub(crate) client: SocketAddr,
    /// Original destination; `None`: the kernel did not redirect it.
    pub(crate) original_destination: Option<SocketAddr>,
    pub(crate) server_name: Option<&'a str>,
    /// TLS with either end; `None`: there was none, and the line has no fields for it.
    pub(crate) ciphers: Option<&'a Ciphers>,
    /// Mirror, and its result; `None`: it is not mirrored, and the line has no fields for it.
    pub(crate) mirror: Option<(&'a Mirror, Mirrored)>,
    pub(crate) route: Option<&'a Route>,
    /// Backend that was chosen first; `None`: the connection went there.
    pub(crate) first_backend: Option<&'a Backend>,
    pub(crate) backend: Option<&'a Backend>,
    pub(crate) endpoint: Option<SocketAddr>,
    pub(crate) draw: Option<Draw>,
    pub(crate) attempts: u32,
    /// Bytes passed on from the client, and to it.
    pub(crate) bytes: [u64; 2],
    pub(crate) connect_time: Option<Duration>,
    pub(crate) duration: Duration,
    pub(crate) ending: Ending,
    /// Details of the ending, in words; may be empty.
    pub(crate) why: &'a str,
    /// Facts of a direct connection; `None`: it was relayed, and the line has no fields for it.
    pub(crate) direct: Option<(&'a Direct, &'a Ended)>,
}

/// Result of the mirror of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mirrored {
    /// Bytes that it was given.
    pub(crate) bytes: u64,
    /// Ending; `None`: it is about to take the rest.
    pub(crate) ended: Option<MirrorEnd>,
}

/// Value of a record, for a line.
pub(super) enum Value<'a> {
    Absent,
    Text(&'a str),
    Shown(&'a dyn std::fmt::Display),
    /// Time, in milliseconds.
    Time(Timestamp),
    Number(u64),
    Draw(Draw),
    Address(&'a SocketAddr),
}

impl Record<'_> {
    /// Visits every key and value in the order of a line.
    pub(super) fn visit(&self, mut field: impl FnMut(&'static str, Value<'_>)) {
        let Self {
            started,
            id,
            listener,
            generation,
            client,
            original_destination,
            server_name,
            ciphers,
            mirror,
            route,
            first_backend,
            backend,
            endpoint,
            draw,
            attempts,
            bytes,
            connect_time,
            duration,
            ending,
            why,
            direct,
        } = self;
        let origin = route.and_then(|route| route.origin.as_ref());
        field("time", Value::Time(*started));
        field("id", Value::Number(*id));
        field("proxy", Value::Text(listener.proxy.as_str()));
        field("listener", Value::Text(&listener.name));
        match original_destination {
            Some(address) if listener.destination.is_empty() => field("destination", Value::Address(address)),
            Some(_) | None => field("destination", text(&listener.destination)),
        }
        field("client", Value::Address(client));
        field("server_name", optional_text(*server_name));
        match (route, origin) {
            (None, _) => field("policy", Value::Absent),
            (Some(_), None) => field("policy", Value::Text("default")),
            (Some(_), Some(origin)) => {
                let name = format_args!("{} {}/{}", origin.kind, origin.mesh, origin.name);
                field("policy", Value::Shown(&name));
            }
        }
        field("rule", optional_text(origin.map(|origin| origin.rule.as_str())));
        field("first_backend", optional_text(first_backend.map(|backend| &*backend.reference)));
        field("backend", optional_text(backend.map(|backend| &*backend.reference)));
        field("cluster", optional_text(backend.map(|backend| backend.cluster_name())));
        field("endpoint", endpoint.as_ref().map_or(Value::Absent, Value::Address));
        field("draw", draw.map_or(Value::Absent, Value::Draw));
        field("generation", Value::Number(*generation));
        field("attempts", Value::Number((*attempts).into()));
        field("bytes_from_client", Value::Number(bytes[0]));
        field("bytes_to_client", Value::Number(bytes[1]));
        match connect_time {
            Some(time) => field("connect_us", Value::Number(whole(time.as_micros()))),
            None => field("connect_us", Value::Absent),
        }
        field("duration_ms", Value::Number(whole(duration.as_millis())));
        field("ended", Value::Text(ending.as_str()));
        field("why", text(why));
        if let Some((mirror, Mirrored { bytes, ended })) = mirror {
            field("mirror", Value::Text(&mirror.reference));
            field("mirror_bytes", Value::Number(*bytes));
            field("mirror_ended", optional_text(ended.map(MirrorEnd::as_str)));
        }
        if let Some((Direct { process, command, .. }, Ended { round_trip, sent_again, .. })) = direct {
            field("path", Value::Text("kernel"));
            field("pid", Value::Number((*process).into()));
            field("command", text(command));
            field("srtt_us", Value::Number((*round_trip).into()));
            field("retransmits", Value::Number((*sent_again).into()));
        }
        if let Some(ciphers) = ciphers {
            visit_ciphers(ciphers, field);
        }
    }
}

/// Visits the TLS identity, version and cipher of each end with TLS.
fn visit_ciphers(ciphers: &Ciphers, mut field: impl FnMut(&'static str, Value<'_>)) {
    const KEYS: [[&str; 5]; 2] = [
        ["tls", "cipher", "alpn", "peer", "peer_uris"],
        ["backend_tls", "backend_cipher", "backend_alpn", "backend_peer", "backend_peer_uris"],
    ];
    for (keys, session) in KEYS.into_iter().zip(&ciphers.sessions) {
        let Some(SessionFacts { version, cipher, alpn, server_name: _, peer }) =
            session.as_ref().and_then(Session::facts)
        else {
            continue;
        };
        let uris = peer.uris.join(",");
        let values = [
            version.as_str(),
            &cipher,
            alpn.as_deref().unwrap_or_default(),
            peer.uris.first().map_or("", |uri| uri),
            &uris,
        ];
        keys.into_iter().zip(values).for_each(|(key, value)| field(key, text(value)));
    }
    if ciphers.shadow_denied {
        field("shadow_denied", Value::Text("true"));
    }
    if let Some((side, word)) = ciphers.failed {
        let side = match side {
            Side::Client => "client",
            Side::Backend => "backend",
        };
        field("tls_error", Value::Shown(&format_args!("{side}:{word}")));
    }
}

pub(super) fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn text(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Absent } else { Value::Text(text) }
}

fn optional_text(value: Option<&str>) -> Value<'_> {
    value.map_or(Value::Absent, text)
}
