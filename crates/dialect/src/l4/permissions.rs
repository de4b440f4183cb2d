//! Permissions to connect over mesh TLS in the L4 dialect.

use model::policy::{PeerMatch, SpiffeIdMatch};
use plan::{NameCondition, NameRule, PeerList, Permissions, PolicyOrigin};
use xds::proto::l4::{self, Peer, PeerCondition, PeerFact, PermissionRule};

use super::origin;

/// Converts permissions to a list of rules of which the first that fits decides.
pub fn permissions(permissions: &Permissions) -> l4::Permissions {
    match permissions {
        Permissions::ByName { called: _, rules } => {
            let peer = |rule: &NameRule| Peer { conditions: rule.conditions.iter().map(name).collect() };
            let said = |rule: &NameRule| rule_of(vec![peer(rule)], rule.action.allows(), &rule.origin, "");
            // any rule that allows is enough: those come first
            let (allow, deny): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.action.allows());
            let shadowed = rules.iter().filter(|rule| rule.action.is_shadow());
            l4::Permissions {
                rules: allow.into_iter().chain(deny).map(said).collect(),
                shadow_denied: shadowed.map(peer).collect(),
            }
        }
        Permissions::ByIdentity { lists, shadow } => {
            let list = |PeerList { peers, allows, origin }: &PeerList| {
                rule_of(peers.iter().map(peer).collect(), *allows, origin, ".default")
            };
            // if there is any, all other clients are counted too, as in the reference
            let everybody = (!shadow.is_empty()).then(Peer::default);
            l4::Permissions {
                rules: lists.iter().map(list).collect(),
                shadow_denied: everybody.into_iter().collect(),
            }
        }
    }
}

fn rule_of(peers: Vec<Peer>, allows: bool, from: &PolicyOrigin, within: &str) -> PermissionRule {
    PermissionRule { peers, allows, origin: Some(origin(from, from.place(within))) }
}

fn name(NameCondition { uri, not }: &NameCondition) -> PeerCondition {
    condition(if *not { PeerFact::LacksName } else { PeerFact::HasName }, uri)
}

fn peer(PeerMatch { spiffe_id, server_name }: &PeerMatch) -> Peer {
    let id = spiffe_id.as_ref().map(|id| match id {
        SpiffeIdMatch::Exact(id) => condition(PeerFact::IdentityIs, id),
        SpiffeIdMatch::Prefix(id) => condition(PeerFact::IdentityBegins, id),
    });
    let server = server_name.as_ref().map(|name| condition(PeerFact::ServerNameIs, name));
    Peer { conditions: id.into_iter().chain(server).collect() }
}

fn condition(fact: PeerFact, value: &str) -> PeerCondition {
    PeerCondition { fact: fact.into(), value: value.to_owned() }
}
