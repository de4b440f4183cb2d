//! Each folder of `cases/routing` holds resources, and their expected results: the explanation of the routing by
//! the rules of each profile, and the messages to each proxy by those of the newest 2.x.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

use std::fmt::Write as _;
use std::path::Path;

use meshtcp_dialect::envoy::{self, EnvoyOptions, EnvoyResources, SplitLayout};
use meshtcp_dialect::l4;
use model::draft::{parse_unchecked, read};
use model::{Profile, ProxyKey, Resource};
use plan::{Context, Direction, Plan, ProxyId, Snapshot, explain, plan};
use serde::Serialize;

#[test]
fn where_connections_go_in_each_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/routing");
    insta::glob!(folder, "*/resources.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        compare(path, "explained", &explained(&text));
        compare(path, "envoy", &told_to_envoy(&text, Profile::V2_14));
        compare(path, "l4", &told_to_l4(&text, Profile::V2_14));
    });
}

/// Cases of meshtcp's own extensions: by the profile that has all of them.
#[test]
fn where_connections_go_in_each_case_beyond_the_releases() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/extended");
    insta::glob!(folder, "*/resources.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        compare(path, "explained", &explained_by(&text, Profile::Extended));
        compare(path, "envoy", &told_to_envoy(&text, Profile::Extended));
        compare(path, "l4", &told_to_l4(&text, Profile::Extended));
    });
}

#[test]
fn what_a_zone_ingress_takes_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/ingress");
    insta::glob!(folder, "*/resources.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (mut all, mut last) = (String::new(), String::new());
        for profile in Profile::ALL {
            let told = told_to_ingress(&text, profile);
            if told != last {
                writeln!(all, "from {profile}:\n{told}").unwrap();
            }
            last = told;
        }
        compare(path, "envoy", &all);
    });
}

#[test]
fn what_a_zone_egress_lets_out() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/egress");
    insta::glob!(folder, "*/resources.yaml", |path| {
        let snapshot = snapshot(&std::fs::read_to_string(path).unwrap(), Profile::V2_14);
        let plan = plan(&snapshot, &ProxyId::ZoneEgress("egress".into())).unwrap();
        let resources = envoy::lower(&plan, &EnvoyOptions::default());
        assert!(resources.to_resource_set().is_ok(), "every tree fits its message");
        let EnvoyResources { listeners: _, clusters, endpoints, notes: _ } = resources;
        let mut told = String::new();
        for (sort, resources) in [("cluster", clusters), ("endpoints", endpoints)] {
            for (name, tree) in resources {
                writeln!(told, "{sort} {name}: {tree}").unwrap();
            }
        }
        compare(path, "envoy", &told);
        let resources = l4::lower(&plan);
        let mut ours = String::new();
        for (name, cluster) in &resources.clusters {
            writeln!(ours, "cluster {name}: {}", serde_json::to_value(cluster).unwrap()).unwrap();
        }
        for (name, endpoints) in &resources.endpoints {
            writeln!(ours, "endpoints {name}: {}", serde_json::to_value(endpoints).unwrap()).unwrap();
        }
        compare(path, "l4", &ours);
    });
}

#[test]
fn how_services_outside_the_mesh_are_dialled_by_a_proxy_itself() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/external");
    insta::glob!(folder, "*/resources.yaml", |path| {
        let snapshot = snapshot(&std::fs::read_to_string(path).unwrap(), Profile::V2_8);
        let plan = plan(&snapshot, &ProxyId::Dataplane(ProxyKey::new("default", "web-1"))).unwrap();
        let resources =
            envoy::lower(&plan, &EnvoyOptions { split: SplitLayout::Clusters, ..EnvoyOptions::default() });
        assert!(resources.to_resource_set().is_ok(), "every tree fits its message");
        let mut told = String::new();
        for (name, tree) in &resources.clusters {
            let (socket, matches) = (&tree["transportSocket"], &tree["transportSocketMatches"]);
            writeln!(told, "cluster {name}: {socket} {matches}").unwrap();
        }
        for warning in &plan.warnings {
            writeln!(told, "! {warning}").unwrap();
        }
        let resources = l4::lower(&plan);
        let mut ours = String::new();
        for (name, cluster) in &resources.clusters {
            let tls = serde_json::to_value(&cluster.outside_tls).unwrap();
            writeln!(ours, "cluster {name}: {tls} {}", cluster.undialable).unwrap();
        }
        assert!(!format!("{plan:?}{told}{resources:?}").contains("UNSEEN"), "a key stands in a plan");
        compare(path, "envoy", &told);
        compare(path, "l4", &ours);
    });
}

fn told_to_ingress(text: &str, profile: Profile) -> String {
    let Some(plan) = plan(&snapshot(text, profile), &ProxyId::ZoneIngress("ingress".into())) else {
        return String::new();
    };
    let resources = envoy::lower(&plan, &EnvoyOptions::default());
    assert!(resources.to_resource_set().is_ok(), "every tree fits its message");
    let EnvoyResources { listeners, clusters, endpoints, notes: _ } = resources;
    let mut told = String::new();
    for (sort, resources) in [("listener", listeners), ("cluster", clusters), ("endpoints", endpoints)] {
        for (name, tree) in resources {
            writeln!(told, "{sort} {name}: {tree}").unwrap();
        }
    }
    told
}

fn compare(path: &Path, name: &str, content: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(path.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_suffix("");
    settings.set_omit_expression(true);
    settings.remove_input_file();
    settings.remove_info();
    settings.bind(|| insta::assert_snapshot!(name, content));
}

fn snapshot(text: &str, profile: Profile) -> Snapshot {
    let (documents, problems) = read("resources.yaml", text);
    assert_eq!(problems, [], "the resources can be read");
    let parsed = documents.iter().filter_map(|document| parse_unchecked(document, profile).resource);
    let resources: Vec<Resource> = parsed.collect();
    assert_eq!(resources.len(), documents.len(), "every document is a resource");
    Snapshot::new(resources, Context::new(profile))
}

/// Proxies of clients and gateways, and their plans.
fn clients(snapshot: &Snapshot) -> Vec<(ProxyKey, Plan)> {
    let plans = snapshot.proxies().map(|proxy| (proxy.clone(), plan(snapshot, &proxy.into()).unwrap()));
    let is_client = |plan: &Plan| {
        let has_inbounds = plan.listeners.iter().any(|listener| listener.direction == Direction::Inbound);
        !has_inbounds || plan.proxy.service == "web"
    };
    plans.filter(|(_, plan)| is_client(plan)).collect()
}

/// Writes the explanation of each profile, under the first profile that gives it.
fn explained(text: &str) -> String {
    let (mut all, mut last) = (String::new(), String::new());
    for profile in Profile::ALL {
        let explained = explained_by(text, profile);
        if explained != last {
            writeln!(all, "from {profile}:\n{explained}").unwrap();
        }
        last = explained;
    }
    all
}

fn explained_by(text: &str, profile: Profile) -> String {
    let snapshot = snapshot(text, profile);
    let mut explained = String::new();
    for (proxy, _) in clients(&snapshot) {
        let mut explanation = explain(&snapshot, &proxy, None).unwrap();
        explanation.profile = "this profile".into();
        write!(explained, "{explanation}").unwrap();
    }
    explained
}

fn told_to_envoy(text: &str, profile: Profile) -> String {
    let snapshot = snapshot(text, profile);
    let mut told = String::new();
    for (_, plan) in clients(&snapshot) {
        let resources = envoy::lower(&plan, &EnvoyOptions::default());
        assert!(resources.to_resource_set().is_ok(), "every tree fits its message");
        let EnvoyResources { listeners, clusters, endpoints, notes } = resources;
        for (sort, resources) in [("listener", listeners), ("cluster", clusters), ("endpoints", endpoints)] {
            for (name, tree) in resources {
                writeln!(told, "{sort} {name}: {tree}").unwrap();
            }
        }
        for note in notes {
            writeln!(told, "note about {}: {}", note.listener, note.text).unwrap();
        }
    }
    told
}

fn told_to_l4(text: &str, profile: Profile) -> String {
    let snapshot = snapshot(text, profile);
    let mut told = String::new();
    for (_, plan) in clients(&snapshot) {
        let l4::L4Resources { listeners, routes, clusters, endpoints, names: _, refusals: _, notes } =
            l4::lower(&plan);
        write_messages(&mut told, "listener", listeners);
        write_messages(&mut told, "route", routes);
        write_messages(&mut told, "cluster", clusters);
        write_messages(&mut told, "endpoints", endpoints);
        notes.iter().for_each(|note| writeln!(told, "note: {note}").unwrap());
    }
    told
}

fn write_messages<M: Serialize>(
    told: &mut String,
    sort: &str,
    messages: impl IntoIterator<Item = (String, M)>,
) {
    for (name, message) in messages {
        let mut tree = serde_json::to_value(message).unwrap();
        let members = tree.as_object_mut().unwrap();
        let is_default = |value: &serde_json::Value| {
            matches!(value.as_u64(), Some(0)) || matches!(value.as_str(), Some("")) || value.is_null()
        };
        members.retain(|key, value| key == "direction" || !is_default(value));
        writeln!(told, "{sort} {name}: {tree}").unwrap();
    }
}
