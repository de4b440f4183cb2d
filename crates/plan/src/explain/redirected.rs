//! Treatment of redirected connections that match no listener, in words.

use super::{RedirectedExplanation, SettingExplanation};
use crate::plan::{PolicyOrigin, Redirected};

/// Explains it; `None`: no connections of this host are redirected.
pub(super) fn explained(redirected: &Redirected) -> Option<RedirectedExplanation> {
    let Redirected { port, only, ipv6: _, outbound, naming: _ } = redirected;
    let leaving = outbound.as_ref()?;
    let outbound = SettingExplanation {
        name: format!("to port {}, what no outbound is for", leaving.port),
        value: leaving.in_words(),
        from: leaving
            .origin
            .as_ref()
            .map_or_else(|| "the mesh: networking.outbound.passthrough".to_owned(), ToString::to_string),
    };
    let inbound = SettingExplanation {
        name: format!("to port {port}, what no inbound is for"),
        value: match only {
            None => "passed on to where it was meant to go, in plaintext",
            Some(_) => "refused",
        }
        .to_owned(),
        from: match only {
            None => "default",
            Some(_) => "the mode of mesh TLS: the inbounds take nothing else",
        }
        .to_owned(),
    };
    let of_outbound = |(name, value, origin): (&str, String, &PolicyOrigin)| SettingExplanation {
        name: format!("{name} of what no outbound is for"),
        value,
        from: origin.to_string(),
    };
    let settings = leaving.settings.explained().into_iter().map(of_outbound).collect();
    Some(RedirectedExplanation { outbound, inbound, settings })
}
