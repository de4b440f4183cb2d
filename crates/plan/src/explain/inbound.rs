//! Who may connect to an inbound, and how, in words.

use model::policy::{PeerMatch, SpiffeIdMatch};

use super::{InboundExplanation, PermissionExplanation, SettingExplanation};
use crate::plan::{
    Accepts, Listener, NameCondition, NameRule, PeerList, Permissions, PolicyOrigin, Terminated,
};

/// What is said about the mesh TLS of a listener; `None` where none ends there.
pub(super) fn explained(listener: &Listener) -> Option<InboundExplanation> {
    let Accepts::Mtls(terminated) = &listener.accepts else { return None };
    let Terminated { mtls, permissive, mode_by, params, peer_prefixes: _, permissions, counted_as: _ } =
        &**terminated;
    let from_policy = |origin: &PolicyOrigin| origin.to_string();
    let mode = SettingExplanation {
        name: "mTLS".to_owned(),
        value: if *permissive { "PERMISSIVE: plaintext is taken too" } else { "STRICT" }.to_owned(),
        from: mode_by.as_ref().map_or_else(|| mtls.identity.to_string(), from_policy),
    };
    let params = params.explained().into_iter().map(|(name, value, origin)| SettingExplanation {
        name: name.to_owned(),
        value,
        from: from_policy(origin),
    });
    Some(InboundExplanation {
        name: listener.name.clone(),
        settings: std::iter::once(mode).chain(params).collect(),
        permissions: self::permissions(permissions),
    })
}

fn permissions(permissions: &Permissions) -> Vec<PermissionExplanation> {
    let explained = |who: String, does: &str, origin: &PolicyOrigin| PermissionExplanation {
        who: if who.is_empty() { "anybody".to_owned() } else { who },
        does: does.to_owned(),
        from: origin.to_string(),
    };
    match permissions {
        Permissions::ByName { called: _, rules } => {
            let rule = |NameRule { conditions, action, origin }: &NameRule| {
                let name = |NameCondition { uri, not }: &NameCondition| {
                    if *not { format!("not {uri}") } else { uri.clone() }
                };
                let who: Vec<String> = conditions.iter().map(name).collect();
                explained(who.join(" and "), action.as_str(), origin)
            };
            rules.iter().map(rule).collect()
        }
        Permissions::ByIdentity { lists, shadow: _ } => {
            let list = |PeerList { peers, allows, origin }: &PeerList| {
                let who: Vec<String> = peers.iter().map(peer).collect();
                explained(who.join(" or "), if *allows { "Allow" } else { "Deny" }, origin)
            };
            lists.iter().map(list).collect()
        }
    }
}

fn peer(PeerMatch { spiffe_id, server_name }: &PeerMatch) -> String {
    let id = spiffe_id.as_ref().map(|id| match id {
        SpiffeIdMatch::Exact(id) => id.clone(),
        SpiffeIdMatch::Prefix(id) => format!("{id}…"),
    });
    let name = server_name.as_ref().map(|name| format!("server name {name}"));
    id.into_iter().chain(name).collect::<Vec<_>>().join(" with ")
}
