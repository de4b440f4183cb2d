//! Each folder of `cases/rules` holds resources, and what each profile makes of them: which MeshTCPRoutes select which
//! proxy, and what they say about its destinations.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use std::fmt::Write as _;

use meshtcp_plan::{Context, Destined, Merged, PolicyOrigin, Rules, Snapshot, View};
use model::draft::{parse_unchecked, read};
use model::policy::backend_refs;
use model::{BackendRef, Kind, Profile, Resource};

#[test]
fn what_is_said_in_each_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/rules");
    insta::glob!(folder, "*/resources.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_suffix("");
        settings.set_omit_expression(true);
        settings.remove_input_file();
        settings.remove_info();
        settings.bind(|| insta::assert_snapshot!("said", said(&text)));
    });
}

/// What each profile says, under the first profile that says it.
fn said(text: &str) -> String {
    let (mut all, mut last) = (String::new(), String::new());
    for profile in Profile::ALL {
        let said = said_by(text, profile);
        if said != last {
            writeln!(all, "from {profile}:\n{said}").unwrap();
        }
        last = said;
    }
    all
}

fn said_by(text: &str, profile: Profile) -> String {
    let (documents, problems) = read("resources.yaml", text);
    assert_eq!(problems, [], "the resources can be read");
    let parsed = documents.iter().filter_map(|document| parse_unchecked(document, profile).resource);
    let resources: Vec<Resource> = parsed.collect();
    assert_eq!(resources.len(), documents.len(), "every document is a resource");
    let snapshot = Snapshot::new(resources, Context::new(profile));
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
    for reference in backend_refs(merged.conf()) {
        let weight = reference.weight.map_or("1 (not written)".to_owned(), |weight| weight.to_string());
        let meaning = from.map_or("dropped".to_owned(), |from| meaning(view, &reference, from));
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
