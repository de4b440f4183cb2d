//! Identity of the peer of a stream: each end is obeyed only for the types that it is known to speak.
//!
//! Servers of many products accept any discovery stream, and answer types that they do not know with an empty set,
//! which removes what the client has. So our control plane identifies itself in the `control_plane.identifier` of every
//! response, and our proxy takes nothing from any other server. In the other direction a control plane does not answer
//! types that it does not know, since a client could take that for an empty set.

use std::fmt;
use std::sync::Arc;

use crate::TypeUrl;
use crate::order::Family;
use crate::proto::discovery::DeltaDiscoveryResponse;

/// Prefix of the identifiers of our control planes. Running proxies rely on it, so it must not change.
const OURS: &str = "meshtcp@";

/// Prefix of Envoy's own types, including those of which there are no resources here.
const ENVOYS: &str = "type.googleapis.com/envoy.";

/// Maximum number of quoted characters of an unknown peer's text.
const QUOTED: usize = 128;

/// Server that answered instead of one of our control planes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignServer {
    /// Its identifier is not that of our control plane.
    Other {
        /// `control_plane.identifier` of the server, safe to print; empty if it has none.
        identifier: String,
    },
    /// Its answer has a type that was not asked for.
    OtherType {
        /// `control_plane.identifier` of the server, safe to print.
        identifier: String,
        /// Type of its answer, safe to print.
        type_url: String,
    },
}

impl ForeignServer {
    /// `control_plane.identifier` of the server, safe to print; empty if it has none.
    pub fn identifier(&self) -> &str {
        match self {
            ForeignServer::Other { identifier } | ForeignServer::OtherType { identifier, .. } => identifier,
        }
    }
}

impl fmt::Display for ForeignServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForeignServer::Other { identifier } if identifier.is_empty() => f.write_str(
                "who answers is no control plane of meshtcp: it has no `control_plane.identifier`",
            ),
            ForeignServer::Other { identifier } => {
                write!(
                    f,
                    "who answers there is none of meshtcp's: its `control_plane.identifier` is `{identifier}`"
                )
            }
            ForeignServer::OtherType { identifier, type_url } => {
                write!(f, "`{identifier}` answers `{type_url}`, which nobody asked for")
            }
        }
    }
}

impl std::error::Error for ForeignServer {}

/// Returns the identifier, safe to print, of our control plane that sent a response to our proxy.
///
/// # Errors
///
/// The sender is not our control plane; its response must be ignored.
pub fn recognise(response: &DeltaDiscoveryResponse) -> Result<String, ForeignServer> {
    let identifier = response.control_plane.as_ref().map(|it| it.identifier.as_str()).unwrap_or_default();
    let ours = identifier.starts_with(OURS);
    let identifier = quoted(identifier);
    if !ours {
        return Err(ForeignServer::Other { identifier });
    }
    if Family::of(&TypeUrl::new(&*response.type_url)) != Some(Family::L4) {
        return Err(ForeignServer::OtherType { identifier, type_url: quoted(&response.type_url) });
    }
    Ok(identifier)
}

/// Returns `true` if a stream may begin with a request for a type.
pub fn opens(type_url: &TypeUrl) -> bool {
    is_spoken(type_url, None)
}

/// `control_plane.identifier` of our control plane; `instance` tells it from the others.
pub(crate) fn identifier(instance: &str) -> Arc<str> {
    format!("{OURS}{instance}").into()
}

/// Returns `true` if a type may be used on a stream: with a client of `family`, or, while that is unknown, with any.
///
/// All of Envoy's own types may: it waits for an answer, and most of them have no resources here.
pub(crate) fn is_spoken(type_url: &TypeUrl, family: Option<Family>) -> bool {
    let own = Family::of(type_url).or_else(|| type_url.as_str().starts_with(ENVOYS).then_some(Family::Envoy));
    own.is_some_and(|own| family.is_none_or(|family| family == own))
}

/// Escapes and truncates text of an unknown peer for printing.
fn quoted(words: &str) -> String {
    let mut quoted: String = words.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if words.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}
