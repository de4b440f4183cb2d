//! Version matrix of `docs/guide/versions.md`, as far as plans show it: precedence, splits and names. One test per
//! row; each checks every profile.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gateways;
mod generations;
mod services;
mod tags;

use std::collections::BTreeMap;

use meshtcp_plan::{Context, Listener, Plan, Route, Snapshot, plan, shares};
use model::Profile::{self, *};
use model::draft::{self, Options};

/// Two versions of `ledger`, two others, and `web`, which dials `ledger` at 13000 and `cache` at 13001.
const TAGS: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 192.0.2.1
  inbound: [{port: 8080, tags: {kuma.io/service: web, kuma.io/protocol: tcp}}]
  outbound:
    - {port: 13000, tags: {kuma.io/service: ledger}}
    - {port: 13001, tags: {kuma.io/service: cache}}
---
type: Dataplane
mesh: default
name: ledger-1
networking:
  address: 192.0.2.11
  inbound: [{port: 5432, tags: {kuma.io/service: ledger, kuma.io/protocol: PROTOCOL, version: v1}}]
---
type: Dataplane
mesh: default
name: ledger-2
networking:
  address: 192.0.2.12
  inbound: [{port: 5432, tags: {kuma.io/service: ledger, kuma.io/protocol: PROTOCOL, version: v2}}]
---
type: Dataplane
mesh: default
name: next-1
networking:
  address: 192.0.2.21
  inbound: [{port: 5432, tags: {kuma.io/service: next, kuma.io/protocol: PROTOCOL}}]
---
type: Dataplane
mesh: default
name: cache-1
networking:
  address: 192.0.2.31
  inbound: [{port: 6379, tags: {kuma.io/service: cache, kuma.io/protocol: tcp}}]
";

/// Builds a MeshTCPRoute for connections to `ledger`; the parts are flow YAML.
fn tcp(name: &str, top: &str, backends: &str) -> String {
    format!(
        "---\ntype: MeshTCPRoute\nmesh: default\nname: {name}\nspec:\n  targetRef: {top}\n  to:\n    - targetRef: \
         {{kind: MeshService, name: ledger}}\n      rules: [{{default: {{backendRefs: [{backends}]}}}}]\n"
    )
}

const MESH: &str = "{kind: Mesh}";

const NEXT: &str = "{kind: MeshService, name: next}";

const CACHE: &str = "{kind: MeshService, name: cache}";

const TRAFFIC_ROUTE: &str = "---\ntype: TrafficRoute\nmesh: default\nname: all\n\
    sources: [{match: {kuma.io/service: '*'}}]\ndestinations: [{match: {kuma.io/service: '*'}}]\n\
    conf: {destination: {kuma.io/service: '*'}}\n";

fn snapshot(profile: Profile, text: &str) -> Snapshot {
    let (documents, problems) = draft::read("row.yaml", text);
    assert!(problems.is_empty(), "{problems:?}");
    let options = Options { profile, ..Options::default() };
    let resources = documents.iter().map(|document| {
        let parsed = draft::parse(document, &options);
        parsed.resource.unwrap_or_else(|| panic!("{profile}: {:?}", parsed.problems))
    });
    Snapshot::new(resources, Context::new(profile))
}

fn planned(profile: Profile, proxy: &str, text: &str) -> Plan {
    let key: model::ProxyKey = proxy.parse().unwrap();
    plan(&snapshot(profile, text), &key.into()).unwrap()
}

fn tags(profile: Profile, protocol: &str, policies: &[String]) -> Plan {
    planned(profile, "default/web-1", &(TAGS.replace("PROTOCOL", protocol) + &policies.concat()))
}

/// Outbounds of a sidecar, in the order of its Dataplane.
fn outbounds(plan: &Plan) -> Vec<&Listener> {
    let listeners = plan.listeners.iter().map(AsRef::as_ref);
    listeners.filter(|listener| listener.destination().is_some()).collect()
}

/// Only route of a listener.
fn only_route(listener: &Listener) -> &Route {
    listener.routes().next().unwrap()
}

/// Split of an outbound: the clusters with a share, and their shares. A refused share is `refused`.
fn split(plan: &Plan, port: u16) -> BTreeMap<String, f64> {
    let route = only_route(plan.listeners.iter().find(|listener| listener.bind.port == port).unwrap());
    let mut split = BTreeMap::new();
    for (backend, share) in route.split.iter().zip(shares(&route.split)).filter(|(_, share)| *share > 0.0) {
        *split.entry(backend.cluster().unwrap_or("refused").to_owned()).or_default() += share;
    }
    split
}

fn only(cluster: &str) -> BTreeMap<String, f64> {
    BTreeMap::from([(cluster.to_owned(), 1.0)])
}

fn until(last: Profile) -> impl Iterator<Item = Profile> {
    Profile::ALL.into_iter().filter(move |profile| *profile <= last)
}

fn from(first: Profile) -> impl Iterator<Item = Profile> {
    until(V2_14).filter(move |profile| *profile >= first)
}
