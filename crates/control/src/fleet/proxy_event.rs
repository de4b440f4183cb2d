//! Events of proxies since the last look, from two compared copies of a status.

use std::fmt;

use change::status::{Connection, ProxyStatus, Rejection};
use plan::ProxyId;
use xds::Foreign;

/// Event of a proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyEvent {
    /// Affected proxy.
    pub proxy: ProxyId,
    /// Event, with its details.
    pub what: ProxyEventKind,
}

/// Sort of event.
#[derive(Clone, Debug, PartialEq)]
pub enum ProxyEventKind {
    /// It opened a stream; or a new one, in place of the last.
    Attached(Connection),
    /// Its stream ended.
    Left,
    /// It runs its whole configuration.
    Accepted,
    /// It refuses a resource.
    Refused(Rejection),
}

/// Returns the events of a proxy between two copies of its status; `before`: `None` if it was not known.
pub(super) fn of(proxy: &ProxyId, before: Option<&ProxyStatus>, now: &ProxyStatus) -> Vec<ProxyEvent> {
    let nothing = ProxyStatus::default();
    let then = before.unwrap_or(&nothing);
    let mut found = Vec::new();
    let mut did = |what| found.push(ProxyEvent { proxy: proxy.clone(), what });
    match &now.connection {
        Some(connection) if then.streams != now.streams => did(ProxyEventKind::Attached(connection.clone())),
        None if then.connection.is_some() || then.streams != now.streams => did(ProxyEventKind::Left),
        Some(_) | None => {}
    }
    for rejection in now.rejections.iter().filter(|it| !then.rejections.contains(it)) {
        did(ProxyEventKind::Refused(rejection.clone()));
    }
    if now.is_in_sync() && now.accepted != then.accepted {
        did(ProxyEventKind::Accepted);
    }
    found
}

impl fmt::Display for ProxyEvent {
    /// Writes `default/web-1 attached: envoy 1.40.0, delta, from 127.0.0.1:40112`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, what } = self;
        let proxy = Foreign::name(proxy);
        match what {
            ProxyEventKind::Attached(connection) => {
                let Connection { protocol, peer, .. } = connection;
                let program = connection.program();
                write!(f, "{proxy} attached: {}, {}", Foreign::name(&program), protocol.as_str())?;
                peer.map_or(Ok(()), |peer| write!(f, ", from {peer}"))
            }
            ProxyEventKind::Left => write!(f, "{proxy} left"),
            ProxyEventKind::Accepted => write!(f, "{proxy} runs what it should"),
            ProxyEventKind::Refused(Rejection { type_url, name, message, at: _ }) => {
                let sort = type_url.as_str().rsplit('.').next().unwrap_or_default();
                let (sort, name) = (Foreign::name(sort), Foreign::name(name));
                let message = Foreign::message(message.trim_end());
                write!(f, "{proxy} refused {sort} {name}, and keeps what it had: {message}")
            }
        }
    }
}
