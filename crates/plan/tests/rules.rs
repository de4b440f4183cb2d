//! Each folder of `cases/rules` holds resources, and the expected result of each profile: the MeshTCPRoutes that
//! select each proxy, and their rules about its destinations.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

mod cases;

use std::fmt::Write as _;

use meshtcp_plan::{Destined, Merged, PolicyOrigin, Rules, Snapshot, View};
use model::policy::TcpRouteConf;
use model::{BackendRef, Kind};

#[test]
fn what_is_said_in_each_case() {
    cases::compare("rules", "said", said);
}

fn said(snapshot: &Snapshot) -> String {
    let mut said = String::new();
    for proxy in snapshot.proxies() {
        let view = snapshot.seen_by(&proxy).unwrap();
        write_rules(&mut said, &view, &view.rules(Kind::MeshTCPRoute));
    }
    said
}

fn write_rules(said: &mut String, view: &View<'_>, rules: &Rules) {
    let Rules { kind: _, profile: _, mesh: _, tag, resources, listeners, matched, warnings } = rules;
    let names: Vec<&str> = matched.iter().map(|id| id.name.as_str()).collect();
    let names = if names.is_empty() { "no route".to_owned() } else { names.join(" < ") };
    writeln!(said, "  {}: {names}", view.proxy()).unwrap();
    for warning in warnings {
        writeln!(said, "    ! {warning}").unwrap();
    }
    for rule in tag {
        let subset =
            rule.subset.0.iter().map(|t| format!("{}{}={}", if t.not { "!" } else { "" }, t.key, t.value));
        let subset: Vec<String> = subset.collect();
        let subset = if subset.is_empty() { "everything".to_owned() } else { subset.join(" ") };
        write_rule(said, view, rules, &subset, &rule.merged);
    }
    for rule in resources.values() {
        write_rule(said, view, rules, &rule.id.to_string(), &rule.merged);
    }
    for (key, of_listener) in listeners {
        for rule in of_listener {
            let place = format!("listener {}:{} {}", key.address, key.port, key.hostname);
            write_rule(said, view, rules, &place, &rule.merged);
        }
    }
}

fn write_rule(said: &mut String, view: &View<'_>, rules: &Rules, about: &str, merged: &Merged) {
    let origin = |o: &PolicyOrigin| format!("{}[{}]", o.policy.name, o.item.unwrap_or_default());
    let origins: Vec<String> = merged.origins.iter().map(origin).collect();
    writeln!(said, "    {about}: {}", origins.join(" < ")).unwrap();
    let from = rules.backend_ref_origin(merged, "");
    for reference in merged.said().map(TcpRouteConf::backends).unwrap_or_default() {
        let weight = reference.weight.map_or("1 (not written)".to_owned(), |weight| weight.to_string());
        let meaning = from.map_or("dropped".to_owned(), |from| meaning(view, reference, from));
        writeln!(said, "      {weight}: {reference} -> {meaning}").unwrap();
    }
}

fn meaning(view: &View<'_>, reference: &BackendRef, from: &PolicyOrigin) -> String {
    match view.resolve_backend_ref(reference, from) {
        Destined::Legacy { tags, mesh: _ } => format!("tags {tags}"),
        Destined::Real(id) => {
            let exists = view.by_id(&id).is_some();
            format!("{id}{}", if exists { "" } else { " (does not exist)" })
        }
        Destined::Dropped { looked_for } => format!("dropped, looked for {looked_for}"),
    }
}
