//! Reader of MeshTrafficPermission: permissions to connect, as far as the reference checks them (spec 07 §11.4,
//! §11.5).

use serde_json::Value;

use crate::draft::fields::Fields;
use crate::draft::identity::broken_spiffe_id;
use crate::draft::names::no_server_name;
use crate::policy::{PeerMatch, PermissionAction, PermissionConf, SpiffeIdMatch};
use crate::profile::Profile;
use crate::reference::RefKind;

/// Kinds that `from` may name.
pub(super) const CLIENTS: [RefKind; 4] =
    [RefKind::Mesh, RefKind::MeshSubset, RefKind::MeshService, RefKind::MeshServiceSubset];
/// Lists of a rule, in the order in which they are checked.
const LISTS: [&str; 3] = ["allow", "allowWithShadowDeny", "deny"];

/// Reads the fields of `default`, without remarks: [`check`] reports what is wrong with them.
pub(super) fn read(mut conf: Fields<'_>) -> PermissionConf {
    conf.know_the_rest();
    let action = conf.value("action").and_then(Value::as_str);
    let mut peers =
        |list| conf.value(list).and_then(Value::as_array).map(|peers| peers.iter().map(peer).collect());
    PermissionConf {
        action: PermissionAction::ALL.into_iter().find(|known| Some(known.as_str()) == action),
        deny: peers("deny"),
        allow: peers("allow"),
        allow_with_shadow_deny: peers("allowWithShadowDeny"),
    }
}

fn peer(written: &Value) -> PeerMatch {
    let value = |part: &Value| part["value"].as_str().map(str::to_owned);
    let id = &written["spiffeID"];
    PeerMatch {
        spiffe_id: value(id).map(|value| match id["type"].as_str() {
            Some("Prefix") => SpiffeIdMatch::Prefix(value),
            _ => SpiffeIdMatch::Exact(value),
        }),
        server_name: value(&written["sni"]),
    }
}

/// Returns `true` if a policy is about inbounds.
pub(super) fn is_about_inbounds(spec: &mut Fields<'_>) -> bool {
    let mut lists = spec.items("from");
    lists.extend(spec.items("rules"));
    lists.iter_mut().for_each(Fields::know_the_rest);
    !lists.is_empty()
}

/// Checks the fields of `spec`, besides references.
pub(super) fn check(spec: &mut Fields<'_>, profile: Profile) {
    let (from, rules) = (spec.items("from"), spec.items("rules"));
    if profile.permissions_have_rules() && !from.is_empty() && !rules.is_empty() {
        spec.violate_here("field 'from' must be empty when 'rules' is defined");
    }
    if from.is_empty() && (rules.is_empty() || !profile.permissions_have_rules()) {
        match profile {
            Profile::V3 => spec.violate_here("policy must define rules"),
            profile if profile.permissions_have_rules() => {
                spec.violate_here("at least one of 'from' or 'rules' has to be defined");
            }
            _ => spec.violate("from", "needs at least one item"),
        }
    }
    from.into_iter().for_each(action);
    rules.into_iter().for_each(|item| rule(item, profile));
}

fn action(mut item: Fields<'_>) {
    item.know_the_rest();
    let mut default = item.object("default");
    default.know_the_rest();
    match default.text("action") {
        None => default.violate("action", "must be defined"),
        Some(action) if !PermissionAction::WORDS.contains(&action.as_str()) => {
            let known = PermissionAction::WORDS.join("\", \"");
            default.violate("action", format!("\"{action}\" must be one of [\"{known}\"]"));
        }
        Some(_) => {}
    }
}

fn rule(mut rule: Fields<'_>, profile: Profile) {
    rule.know_the_rest();
    let mut default = rule.object("default");
    default.know_the_rest();
    if LISTS.iter().all(|list| default.items(list).iter_mut().map(Fields::know_the_rest).count() == 0) {
        let [first, second, third] = LISTS;
        rule.violate_here(format!("at least one of '{first}', '{second}', '{third}' has to be defined"));
    }
    for list in LISTS {
        for (at, mut peer) in default.items(list).into_iter().enumerate() {
            peer.know_the_rest();
            // the reference leaves `default` out of these paths
            let path = rule.path().field(list).index(at);
            let mut id = peer.object("spiffeID");
            id.know_the_rest();
            if id.is_present()
                && !id.text("type").is_some_and(|sort| ["Exact", "Prefix"].contains(&sort.as_str()))
            {
                id.violate("type", "in body should be one of [Exact Prefix]");
            }
            if id.is_present()
                && let Some(why) = broken_spiffe_id(&id.string("value"))
            {
                id.violate_at(path.field("spiffeID"), format!("must be a valid Spiffe ID: {why}"));
            }
            let mut name = peer.object("sni");
            name.know_the_rest();
            if name.is_present() && !profile.permissions_match_server_names() {
                let help = "it is known since 2.14; before, it would be left out, and the match say more than is written";
                peer.error("sni", format!("profile {profile} has no `sni` here"), Some(help.into()));
                continue;
            }
            // the reference accepts it, and its proxy then refuses the listener
            if !id.is_present() && !name.is_present() {
                peer.violate_at(path.clone(), "at least one of 'spiffeID', 'sni' has to be defined");
            }
            let path = path.field("sni");
            match name.text("type").as_deref() {
                _ if !name.is_present() => continue,
                None => name.violate_at(path.field("type"), "must be set"),
                Some("Exact") => {}
                Some(other) => {
                    let message = format!("unrecognized type \"{other}\", supported values are: Exact");
                    name.violate_at(path.field("type"), message);
                }
            }
            match name.text("value") {
                None => name.violate_at(path.field("value"), "must be set"),
                Some(value) => {
                    if let Some(message) = no_server_name(&value) {
                        name.violate_at(path.field("value"), message);
                    }
                }
            }
        }
    }
}
