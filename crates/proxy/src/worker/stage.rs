//! Stages of a connection, and their transitions.
//!
//! ```text
//!  accepted ─┬────────────▶ Shaking ─▶ Dialling ─▶ Relaying ─▶ Closing
//!            └▶ Opening ──────┘           ↺ next endpoint         ▲ from each
//! ```

use l4::ending::Side;

use super::choice::Choice;
use super::closing::Closing;
use super::connection::Connection;
use super::deadlines::Micros;
use super::dialling::Dialling;
use super::end::End;
use super::env::Env;
use super::next::Next;
use super::opening::Opening;
use super::relaying::Relaying;
use super::shaking::Shaking;
use crate::connection_info::ConnectionInfo;

/// Stage of a connection, with its own state.
pub(super) enum Stage {
    /// Waits for the client's first bytes.
    Opening(Opening),
    /// Does the TLS handshake with the client.
    Shaking(Shaking),
    /// Dials an endpoint.
    Dialling(Dialling),
    /// Moves bytes.
    Relaying(Relaying),
    /// Ends.
    Closing(Closing),
}

impl From<Next<Opening, Shaking>> for Stage {
    fn from(next: Next<Opening, Shaking>) -> Self {
        match next {
            Next::Stay(opening) => Self::Opening(opening),
            Next::Go(shaking) => Self::Shaking(shaking),
            Next::Close(closing) => Self::Closing(closing),
        }
    }
}

impl From<Result<Shaking, Closing>> for Stage {
    fn from(shaken: Result<Shaking, Closing>) -> Self {
        match shaken {
            Ok(shaking) => Self::Shaking(shaking),
            Err(closing) => Self::Closing(closing),
        }
    }
}

impl From<Next<Dialling, Relaying>> for Stage {
    fn from(next: Next<Dialling, Relaying>) -> Self {
        match next {
            Next::Stay(dialling) => Self::Dialling(dialling),
            Next::Go(relaying) => Self::Relaying(relaying),
            Next::Close(closing) => Self::Closing(closing),
        }
    }
}

impl Stage {
    /// Ends a connection from any stage.
    pub(super) fn close(self, connection: &Connection, env: &Env, end: End) -> Closing {
        match self {
            Self::Opening(_) | Self::Shaking(_) => Closing::undecided(end),
            Self::Dialling(dialling) => dialling.close(end),
            Self::Relaying(relaying) => relaying.close(connection, env, end),
            Self::Closing(closing) => closing,
        }
    }

    /// Time at which the stage times out; `None`: no limit.
    pub(super) fn due(&self, connection: &Connection, env: &Env) -> Option<Micros> {
        match self {
            Self::Opening(opening) => Some(opening.due(connection, env)),
            Self::Dialling(dialling) => Some(dialling.due()),
            Self::Relaying(relaying) => relaying.due(connection, env).map(|(due, ..)| due),
            Self::Shaking(shaking) => shaking.due(connection),
            Self::Closing(_) => None,
        }
    }

    /// Returns a report about a connection in this stage.
    pub(super) fn info(&self, connection: &Connection, now: Micros) -> ConnectionInfo {
        let config = &connection.listener.config;
        let choice = match self {
            Self::Dialling(dialling) => Some(&*dialling.choice),
            Self::Relaying(relaying) => Some(&*relaying.choice),
            Self::Opening(_) | Self::Shaking(_) | Self::Closing(_) => None,
        };
        let named = choice.map(|choice| choice.named(&connection.listener)).unwrap_or_default();
        ConnectionInfo {
            id: connection.id,
            proxy: config.proxy.clone(),
            listener: config.name.clone(),
            destination: match &connection.destination {
                Some(address) if config.destination.is_empty() => address.to_string().into(),
                Some(_) | None => config.destination.clone(),
            },
            client: connection.peer,
            server_name: connection.server_name.as_deref().map(Into::into),
            client_tls: connection.tls_with(Side::Client),
            backend_tls: connection.tls_with(Side::Backend),
            origin: named.route.and_then(|route| route.origin.clone()),
            first_backend: named.first_backend.map(|backend| backend.reference.clone()),
            backend: named.backend.map(|backend| backend.reference.clone()),
            cluster: named.backend.map(|backend| backend.cluster_name().into()),
            endpoint: choice.map(Choice::address),
            draw: named.draw,
            mirror: connection.mirror.and(config.mirror.as_ref()).map(|mirror| mirror.reference.clone()),
            generation: connection.generation,
            connected: matches!(self, Self::Relaying(_)),
            age: now.since(connection.opened),
            bytes_from_client: connection.directions[0].moved,
            bytes_to_client: connection.directions[1].moved,
            direct: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_takes_less_than_half_a_kibibyte() {
        let bytes = std::mem::size_of::<Option<(Connection, Stage)>>();
        assert!(bytes <= 416, "{bytes}");
    }
}
