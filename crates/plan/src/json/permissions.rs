//! TLS that ends at an inbound, and the permissions to connect, as JSON.

use model::policy::{PeerMatch, SpiffeIdMatch};
use serde_json::{Value, json};

use crate::plan::{NameCondition, NameRule, PeerList, Permissions, Terminated};

/// Converts the TLS of an inbound.
pub(super) fn tls(terminated: &Terminated) -> Value {
    let Terminated { mtls: _, permissive, mode_by, params, peer_prefixes, permissions, counted_as: _ } =
        terminated;
    json!({
        "mode": if *permissive { "PERMISSIVE" } else { "STRICT" },
        "modePolicy": mode_by,
        "params": params,
        "peers": peer_prefixes,
        "permissions": self::permissions(permissions),
    })
}

fn permissions(permissions: &Permissions) -> Value {
    match permissions {
        Permissions::ByName { called: _, rules } => {
            let rule = |NameRule { conditions, action, origin }: &NameRule| {
                let names = |not| -> Vec<&str> {
                    let of = |NameCondition { uri: _, not: is }: &NameCondition| *is == not;
                    conditions.iter().filter(|it| of(it)).map(|it| it.uri.as_str()).collect()
                };
                json!({ "names": names(false), "without": names(true), "action": action.as_str(), "policy": origin })
            };
            json!({ "by": "name", "rules": rules.iter().map(rule).collect::<Vec<_>>() })
        }
        Permissions::ByIdentity { lists, shadow } => {
            let list = |PeerList { peers, allows, origin }: &PeerList| {
                let action = if *allows { "Allow" } else { "Deny" };
                json!({ "peers": peers.iter().map(peer).collect::<Vec<_>>(), "action": action, "policy": origin })
            };
            json!({
                "by": "identity",
                "rules": lists.iter().map(list).collect::<Vec<_>>(),
                "shadowDenies": !shadow.is_empty(),
            })
        }
    }
}

fn peer(PeerMatch { spiffe_id, server_name }: &PeerMatch) -> Value {
    let id = spiffe_id.as_ref().map(|id| match id {
        SpiffeIdMatch::Exact(id) => json!({ "exact": id }),
        SpiffeIdMatch::Prefix(id) => json!({ "prefix": id }),
    });
    json!({ "spiffeId": id, "serverName": server_name })
}
