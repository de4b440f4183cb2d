//! Who is at the other end of a stream: each end is obeyed only in what it is known to speak.
//!
//! Servers of many products take any discovery stream, and answer types that they do not know with nothing: no
//! resources, and what the client has is removed. So a control plane of ours says that it is one, in the
//! `control_plane.identifier` of every response, and a proxy of ours takes nothing from anybody else. In the other
//! direction a control plane says nothing about types that it does not know, which a client could take for an answer.

use std::fmt;
use std::sync::Arc;

use crate::TypeUrl;
use crate::order::Family;
use crate::proto::discovery::DeltaDiscoveryResponse;

/// What the identifiers of control planes of ours begin with. Proxies that run rely on it: it stays as it is.
const OURS: &str = "meshtcp@";

/// What the types of Envoy's own resources begin with, also of those that nobody here has any of.
const ENVOYS: &str = "type.googleapis.com/envoy.";

/// How many characters of what a stranger says are repeated.
const QUOTED: usize = 128;

/// Who answered instead of a control plane of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It does not say that it is one of ours.
    Other {
        /// Its `control_plane.identifier`, safe to print; empty when it has none.
        identifier: String,
    },
    /// It answers what was not asked.
    OtherType {
        /// Its `control_plane.identifier`, safe to print.
        identifier: String,
        /// The type of its answer, safe to print.
        type_url: String,
    },
}

impl Stranger {
    /// Its `control_plane.identifier`, safe to print; empty when it has none.
    pub fn identifier(&self) -> &str {
        match self {
            Stranger::Other { identifier } | Stranger::OtherType { identifier, .. } => identifier,
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stranger::Other { identifier } if identifier.is_empty() => f.write_str(
                "who answers is no control plane of meshtcp: it has no `control_plane.identifier`",
            ),
            Stranger::Other { identifier } => {
                write!(
                    f,
                    "who answers there is none of meshtcp's: its `control_plane.identifier` is `{identifier}`"
                )
            }
            Stranger::OtherType { identifier, type_url } => {
                write!(f, "`{identifier}` answers `{type_url}`, which nobody asked for")
            }
        }
    }
}

impl std::error::Error for Stranger {}

/// Says who sent a response to a proxy of ours, safe to print, if that is a control plane of ours.
///
/// # Errors
///
/// It is not, and nothing that it says may be taken for what a control plane of ours would say.
pub fn recognise(response: &DeltaDiscoveryResponse) -> Result<String, Stranger> {
    let identifier = response.control_plane.as_ref().map(|it| it.identifier.as_str()).unwrap_or_default();
    let ours = identifier.starts_with(OURS);
    let identifier = quoted(identifier);
    if !ours {
        return Err(Stranger::Other { identifier });
    }
    if Family::of(&TypeUrl::new(&*response.type_url)) != Some(Family::L4) {
        return Err(Stranger::OtherType { identifier, type_url: quoted(&response.type_url) });
    }
    Ok(identifier)
}

/// Whether a stream may begin with a request for a type.
pub fn opens(type_url: &TypeUrl) -> bool {
    is_spoken(type_url, None)
}

/// What a control plane of ours says in `control_plane.identifier`; `instance` tells it from the others.
pub(crate) fn identifier(instance: &str) -> Arc<str> {
    format!("{OURS}{instance}").into()
}

/// Whether a type may be spoken of on a stream: to a client of `family`, or, while that is not known, to any.
///
/// Of Envoy's own types all may: it waits for an answer, and there is nothing of most of them.
pub(crate) fn is_spoken(type_url: &TypeUrl, family: Option<Family>) -> bool {
    let own = Family::of(type_url).or_else(|| type_url.as_str().starts_with(ENVOYS).then_some(Family::Envoy));
    own.is_some_and(|own| family.is_none_or(|family| family == own))
}

/// The words of a stranger, so that they can be printed.
fn quoted(words: &str) -> String {
    let mut quoted: String = words.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if words.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}
