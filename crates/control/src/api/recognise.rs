//! Authentication of callers: by a way of connecting that only they have, by a token, or not at all.
//!
//! A connection from this host proves little: a reverse proxy, a TCP forwarder or one of our own inbounds makes such
//! connections for anybody who reaches it.

use std::path::Path;

use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::caller::{Caller, Role};
use super::operation::Operation;
use super::refusal::Refusal;
use super::serve::{Peer, Transport};
use super::{Api, Setup};
use crate::identity::TokenError;
use crate::web::{is_passed_on, looks_local};

/// Authenticates the caller of a request.
///
/// # Errors
/// The token is not one of ours, or cannot be verified now.
pub(super) async fn recognise(api: &Api, operation: &Operation, parts: &Parts) -> Result<Caller, Refusal> {
    let setup = &api.inner.setup;
    if operation.open {
        return Ok(Caller::anonymous(setup.anonymous));
    }
    let standing =
        parts.extensions.get::<Peer>().map_or(Standing::NONE, |peer| standing(setup, *peer, parts));
    if standing.role == Role::Admin {
        return Ok(Caller::admin());
    }
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Ok(Caller::anonymous(standing.role).advised(standing.advice));
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let refused = |why: &str| Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", why);
    let token = token.ok_or_else(|| refused("send `Authorization: Bearer TOKEN`"))?;
    match api.inner.tokens.user(token).await {
        Ok(user) => Ok(Caller::user(user.name, user.groups)),
        Err(TokenError::Store(error)) => Err(Refusal::of_store("Unauthorized", &error)),
        Err(error) => Err(refused(&error.to_string())),
    }
}

/// Permissions of a caller without a token, and how to get more.
struct Standing {
    role: Role,
    advice: String,
}

impl Standing {
    const NONE: Self = Self { role: Role::Nobody, advice: String::new() };
}

fn standing(setup: &Setup, Peer { way, scheme }: Peer, parts: &Parts) -> Standing {
    let headers = &parts.headers;
    let with_token = || "bring the token of a user who may".to_owned();
    let address = match way {
        Transport::Socket if is_passed_on(headers) => {
            return Standing { role: setup.anonymous, advice: with_token() };
        }
        Transport::Socket => return Standing { role: Role::Admin, ..Standing::NONE },
        Transport::Network(address) => address.ip(),
    };
    if looks_local(address, headers) {
        let role = setup.anonymous.max(setup.localhost);
        return Standing { role, advice: on_this_host(setup.socket.as_deref()) };
    }
    // a page under a name of its own has no certificate that a browser accepts
    match setup.known_as.admits(headers) {
        Err(stranger) if scheme != "https" && setup.anonymous > Role::Nobody => {
            Standing { role: Role::Nobody, advice: stranger.to_string() }
        }
        Ok(()) | Err(_) => Standing { role: setup.anonymous, advice: with_token() },
    }
}

fn on_this_host(socket: Option<&Path>) -> String {
    let by_socket = match socket {
        Some(socket) => format!(
            "use `meshtcp` as the user that the control plane runs as (it asks at {}, as `curl --unix-socket` can)",
            socket.display()
        ),
        None => "start the control plane where it can make a socket for `meshtcp`".to_owned(),
    };
    format!(
        "that a connection comes from this host proves nothing: {by_socket}, or bring the token of a user who may"
    )
}
