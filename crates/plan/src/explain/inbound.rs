//! Explanation of inbounds: their TLS and who may connect, in words.

use model::policy::PeerMatch;

use super::{InboundExplanation, PermissionExplanation, SettingExplanation};
use crate::plan::{
    Listener, ListenerTls, NameCondition, NameRule, PeerList, Permissions, PolicyOrigin, Terminated,
    TlsTermination,
};

/// Explains the mesh TLS that ends at a listener: for all connections, or for those of a server name.
pub(super) fn explained(listener: &Listener) -> impl Iterator<Item = InboundExplanation> {
    let name = &listener.name;
    let for_all = match &listener.accepts {
        ListenerTls::Mtls(terminated) => Some(of_one(name.clone(), terminated)),
        ListenerTls::Plaintext | ListenerTls::ServerName => None,
    };
    let by_name = listener.routes.iter().filter_map(move |(claimed, route)| match &route.session {
        Some(TlsTermination::Mtls(terminated)) => {
            Some(of_one(format!("{name} for {}", claimed.hostname()), terminated))
        }
        Some(_) | None => None,
    });
    for_all.into_iter().chain(by_name)
}

fn of_one(name: String, terminated: &Terminated) -> InboundExplanation {
    let Terminated { mtls, permissive, mode_by, params, peer_prefixes: _, permissions, counted_as: _ } =
        terminated;
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
    InboundExplanation {
        name,
        settings: std::iter::once(mode).chain(params).collect(),
        permissions: self::permissions(permissions),
    }
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
    let id = spiffe_id.as_ref().map(ToString::to_string);
    let name = server_name.as_ref().map(|name| format!("server name {name}"));
    id.into_iter().chain(name).collect::<Vec<_>>().join(" with ")
}
