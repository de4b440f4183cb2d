//! Version matrix of `docs/guide/versions.md`, as far as plans show it: precedence, splits and names. One test per
//! row; each checks every profile.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use meshtcp_plan::{
    Context, IgnoredBecause, Listener, Outcome, Owner, Plan, ProxyId, Route, Snapshot, plan, shares,
};
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

fn http(name: &str, backends: &str) -> String {
    tcp(name, MESH, backends)
        .replace("MeshTCPRoute", "MeshHTTPRoute")
        .replace("[{default", "[{matches: [{path: {type: PathPrefix, value: /}}], default")
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

#[test]
fn reroute_and_split() {
    for profile in until(V2_14) {
        assert_eq!(split(&tags(profile, "tcp", &[tcp("a", MESH, NEXT)]), 13000), only("next"), "{profile}");
        let ninety =
            "{kind: MeshService, name: ledger, weight: 90}, {kind: MeshService, name: next, weight: 10}";
        let wanted = BTreeMap::from([("ledger".to_owned(), 0.9), ("next".to_owned(), 0.1)]);
        assert_eq!(split(&tags(profile, "tcp", &[tcp("a", MESH, ninety)]), 13000), wanted, "{profile}");
    }
}

#[test]
fn a_missing_weight_is_1_and_0_takes_nothing() {
    for profile in until(V2_14) {
        let weights = "{kind: MeshService, name: ledger, weight: 3}, {kind: MeshService, name: next}, \
                       {kind: MeshService, name: cache, weight: 0}";
        let wanted = BTreeMap::from([("ledger".to_owned(), 0.75), ("next".to_owned(), 0.25)]);
        assert_eq!(split(&tags(profile, "tcp", &[tcp("a", MESH, weights)]), 13000), wanted, "{profile}");
        let nothing = tags(profile, "tcp", &[tcp("a", MESH, "{kind: MeshService, name: next, weight: 0}")]);
        assert!(
            split(&nothing, 13000).is_empty() && only_route(outbounds(&nothing)[0]).refusal.is_some(),
            "{profile}"
        );
    }
}

#[test]
fn subsets_are_told_apart_by_tags() {
    let subsets = "{kind: MeshServiceSubset, name: ledger, tags: {version: v1}, weight: 90}, \
                   {kind: MeshServiceSubset, name: ledger, tags: {version: v2}, weight: 10}";
    for profile in until(V2_14) {
        let plan = tags(profile, "tcp", &[tcp("a", MESH, subsets)]);
        let split = split(&plan, 13000);
        let met = split.iter().map(|(cluster, share)| {
            let endpoints = &plan.clusters[cluster].endpoints;
            (endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect::<String>(), *share)
        });
        let met: BTreeMap<String, f64> = met.collect();
        let wanted = BTreeMap::from([("192.0.2.11".to_owned(), 0.9), ("192.0.2.12".to_owned(), 0.1)]);
        assert_eq!(met, wanted, "{profile}");
        // 2.3 and 2.4 count subsets, later releases hash their tags.
        let counted = split.keys().any(|cluster| cluster.ends_with('_'));
        assert_eq!(counted, profile <= V2_4, "{profile}: {split:?}");
    }
}

#[test]
fn the_more_specific_policy_wins() {
    for profile in until(V2_14) {
        let policies =
            [tcp("m", MESH, CACHE), tcp("z", "{kind: MeshSubset, tags: {kuma.io/service: web}}", NEXT)];
        let plan = tags(profile, "tcp", &policies);
        assert_eq!(split(&plan, 13000), only("next"), "{profile}");
        let shadowed = only_route(outbounds(&plan)[0])
            .considered
            .iter()
            .filter(|it| matches!(it.outcome, Outcome::Shadowed { .. }));
        assert_eq!(shadowed.map(|it| it.origin.name.as_str()).collect::<Vec<_>>(), ["m"], "{profile}");
    }
    for profile in from(V2_10) {
        let named = "{kind: Dataplane, name: web-1}";
        let policies = [tcp("z", MESH, CACHE), tcp("m", named, NEXT)];
        assert_eq!(split(&tags(profile, "tcp", &policies), 13000), only("next"), "{profile}");
    }
}

#[test]
fn mesh_http_route_wins_on_http_services_only() {
    for profile in until(V2_14) {
        let policies = [tcp("tcp", MESH, CACHE), http("http", NEXT)];
        for protocol in ["http", "http2", "grpc"] {
            let plan = tags(profile, protocol, &policies);
            let outbound = only_route(outbounds(&plan)[0]);
            assert!(
                matches!(outbound.owner, Owner::HttpRoute(_)),
                "{profile} {protocol}: {:?}",
                outbound.owner
            );
            let ignored = outbound.considered.iter().find(|it| it.origin.name == "tcp").unwrap();
            let because_http_wins =
                matches!(ignored.outcome, Outcome::Ignored(IgnoredBecause::HttpRouteWins { .. }));
            assert!(because_http_wins, "{profile} {protocol}: {ignored:?}");
        }
        let plan = tags(profile, "tcp", &policies);
        assert!(
            matches!(only_route(outbounds(&plan)[0]).owner, Owner::TcpRoute(_)),
            "{profile}: {:?}",
            only_route(outbounds(&plan)[0]).owner
        );
        assert_eq!(split(&plan, 13000), only("cache"), "{profile}");
    }
}

#[test]
fn mesh_tcp_route_acts_on_http_services_without_http_route() {
    for profile in until(V2_14) {
        let plan = tags(profile, "http", &[tcp("tcp", MESH, CACHE)]);
        assert!(
            matches!(only_route(outbounds(&plan)[0]).owner, Owner::TcpRoute(_)),
            "{profile}: {:?}",
            only_route(outbounds(&plan)[0]).owner
        );
        assert_eq!(split(&plan, 13000), only("cache"), "{profile}");
    }
}

#[test]
fn mesh_tcp_route_wins_over_traffic_route() {
    for profile in until(V2_14) {
        let plan = tags(profile, "tcp", &[tcp("a", MESH, NEXT), TRAFFIC_ROUTE.to_owned()]);
        assert_eq!(split(&plan, 13000), only("next"), "{profile}");
        // Until 2.5 each outbound without a conf falls back; later a single route takes the whole proxy over.
        let other = only_route(outbounds(&plan)[1]);
        let falls_back = matches!(other.owner, Owner::TrafficRoute(_));
        assert_eq!(falls_back, profile <= V2_5, "{profile}: {:?}", other.owner);
        assert_eq!(split(&plan, 13001), only("cache"), "{profile}");
    }
}

#[test]
fn without_mesh_tcp_route_traffic_route_stays() {
    let half = TRAFFIC_ROUTE.replace(
        "{destination: {kuma.io/service: '*'}}",
        "{split: [{weight: 1, destination: {kuma.io/service: next}}, {weight: 1, destination: {kuma.io/service: cache}}]}",
    );
    for profile in until(V2_14) {
        let plan = tags(profile, "tcp", std::slice::from_ref(&half));
        assert!(
            matches!(only_route(outbounds(&plan)[0]).owner, Owner::TrafficRoute(_)),
            "{profile}: {:?}",
            only_route(outbounds(&plan)[0]).owner
        );
        let wanted = BTreeMap::from([("next".to_owned(), 0.5), ("cache".to_owned(), 0.5)]);
        assert_eq!(split(&plan, 13000), wanted, "{profile}");
    }
}

#[test]
fn legacy_policies_act_on_traffic_routes_only() {
    let timeout = "---\ntype: Timeout\nmesh: default\nname: t\nsources: [{match: {kuma.io/service: '*'}}]\n\
                   destinations: [{match: {kuma.io/service: '*'}}]\nconf: {connectTimeout: 7s}\n";
    let policies = |route: &str| [route.to_owned(), timeout.to_owned()];
    for profile in until(V2_14) {
        let connect_timeout = |plan: &Plan, cluster: &str| {
            plan.clusters[cluster].connect_timeout.as_ref().map(|timeout| timeout.value.as_secs())
        };
        let by_traffic_route = tags(profile, "tcp", &policies(TRAFFIC_ROUTE));
        assert_eq!(connect_timeout(&by_traffic_route, "ledger"), Some(7), "{profile}");
        let by_mesh_tcp_route = tags(profile, "tcp", &policies(&tcp("a", MESH, NEXT)));
        assert_eq!(connect_timeout(&by_mesh_tcp_route, "next"), None, "{profile}");
    }
}

#[test]
fn new_policies_act_on_both() {
    let timeout = "---\ntype: MeshTimeout\nmesh: default\nname: t\nspec:\n  targetRef: {kind: Mesh}\n  to:\n    - \
                   targetRef: {kind: Mesh}\n      default: {connectionTimeout: 7s, idleTimeout: 9s}\n";
    let idle_timeout = |plan: &Plan| {
        outbounds(plan)[0].settings.idle_timeout.as_ref().map(|timeout| timeout.value.as_secs())
    };
    for profile in until(V2_14) {
        for route in [TRAFFIC_ROUTE.to_owned(), tcp("a", MESH, NEXT)] {
            let plan = tags(profile, "tcp", &[route.clone(), timeout.to_owned()]);
            assert_eq!(idle_timeout(&plan), Some(9), "{profile}: {route}");
            let cluster = only_route(outbounds(&plan)[0]).split[0].cluster().unwrap();
            let connect_timeout = plan.clusters[cluster].connect_timeout.as_ref().unwrap();
            assert_eq!(connect_timeout.value.as_secs(), 7, "{profile}: {route}");
        }
    }
}

#[test]
fn one_backend_with_another_protocol_empties_the_split_until_2_8() {
    for profile in until(V2_14) {
        // gRPC until 2.5, TLS later: protocols that TCP is not routed to.
        let protocol = if profile <= V2_5 {
            "grpc"
        } else if profile >= V2_8 {
            "tls"
        } else {
            continue;
        };
        let other = format!("kuma.io/service: cache, kuma.io/protocol: {protocol}");
        let text =
            TAGS.replace("PROTOCOL", "tcp").replace("kuma.io/service: cache, kuma.io/protocol: tcp", &other);
        let refs = format!("{NEXT}, {CACHE}");
        let plan = planned(profile, "default/web-1", &(text + &tcp("a", MESH, &refs)));
        let wanted = if profile <= V2_8 { BTreeMap::new() } else { only("next") };
        assert_eq!(split(&plan, 13000), wanted, "{profile}");
    }
}

/// A gateway of `kind`, with an outbound where it may have one.
fn gateway(kind: &str) -> String {
    let outbound = if kind == "DELEGATED" {
        "\n  outbound: [{port: 13000, tags: {kuma.io/service: ledger}}]"
    } else {
        ""
    };
    format!(
        "---\ntype: Dataplane\nmesh: default\nname: edge-1\nnetworking:\n  address: 192.0.2.2\n  gateway: {{type: {kind}, \
         tags: {{kuma.io/service: edge}}}}{outbound}\n"
    )
}

#[test]
fn delegated_gateways_are_selected_since_2_6() {
    for profile in until(V2_14) {
        let text =
            TAGS.replace("PROTOCOL", "tcp") + &gateway("DELEGATED") + &tcp("a", MESH, NEXT) + TRAFFIC_ROUTE;
        let plan = planned(profile, "default/edge-1", &text);
        let wanted = if profile < V2_6 { "ledger" } else { "next" };
        assert_eq!(split(&plan, 13000), only(wanted), "{profile}");
    }
}

#[test]
fn builtin_gateways_split_tcp_from_2_6_to_2_14() {
    let mesh_gateway = "---\ntype: MeshGateway\nmesh: default\nname: edge\nselectors: [{match: {kuma.io/service: edge}}]\n\
         conf: {listeners: [{port: 5432, protocol: TCP, tags: {port: sql}}, {port: 5433, protocol: TCP}]}\n";
    let route = tcp("a", "{kind: MeshGateway, name: edge, tags: {port: sql}}", NEXT)
        .replace("{kind: MeshService, name: ledger}\n", "{kind: Mesh}\n");
    for profile in from(V2_6) {
        let text = TAGS.replace("PROTOCOL", "tcp") + &gateway("BUILTIN") + mesh_gateway + &route;
        let plan = planned(profile, "default/edge-1", &text);
        let listener = |port| plan.listeners.iter().find(|listener| listener.bind.port == port).unwrap();
        let split = &only_route(listener(5432)).split;
        assert_eq!(split.len(), 1, "{profile}: {split:?}");
        assert_eq!(plan.clusters[split[0].cluster().unwrap()].service, "next", "{profile}");
        assert!(listener(5433).routes().all(|route| route.split.is_empty()), "{profile}");
    }
}

/// `web` dials the MeshService `ledger`, port `sql`; there is another, and one outside the mesh.
const SERVICES: &str = "
type: Mesh
name: default
meshServices: {mode: Exclusive}
---
type: Dataplane
mesh: default
name: web-1
labels: {team: shop}
networking:
  address: 192.0.2.1
  inbound: [{port: 8080, tags: {kuma.io/service: web, kuma.io/protocol: tcp}}]
  outbound: [{port: 13000, backendRef: {kind: MeshService, REF, port: 5432}}]
---
type: Dataplane
mesh: default
name: ledger-1
labels: {app: ledger}
networking:
  address: 192.0.2.11
  inbound: [{port: 5432, name: sql, tags: {kuma.io/service: ledger, kuma.io/protocol: tcp}}]
---
type: Dataplane
mesh: default
name: next-1
labels: {app: next}
networking:
  address: 192.0.2.21
  inbound: [{port: 5432, name: sql, tags: {kuma.io/service: next, kuma.io/protocol: tcp}}]
---
type: MeshService
mesh: default
name: ledger
labels: {app: ledger}
spec:
  selector: {dataplaneTags: {kuma.io/service: ledger}}
  ports: [{name: sql, port: 5432, targetPort: sql, appProtocol: tcp}]
---
type: MeshService
mesh: default
name: next
labels: {app: next}
spec:
  selector: {dataplaneTags: {kuma.io/service: next}}
  ports: [{name: sql, port: 5432, targetPort: sql, appProtocol: tcp}]
---
type: MeshExternalService
mesh: default
name: cloud
labels: {app: cloud}
spec:
  match: {type: HostnameGenerator, port: 5432, protocol: tcp}
  endpoints: [{address: 192.0.2.99, port: 5432}]
";

fn services(profile: Profile, backends: &str) -> Plan {
    let reference = if profile == V3 { "labels: {app: ledger}" } else { "name: ledger" };
    let text = SERVICES.replace("REF", reference) + &tcp("a", MESH, backends);
    let text = if profile == V3 {
        text.replace("{kind: MeshService, name: ledger}", "{kind: MeshService, labels: {app: ledger}}")
    } else {
        text
    };
    planned(profile, "default/web-1", &text)
}

/// Addresses behind a split, with their shares; endpoints outside the mesh as a proxy without egress reaches them.
fn reached(plan: &Plan) -> BTreeMap<String, f64> {
    let mut reached = BTreeMap::new();
    for (cluster, share) in split(plan, 13000) {
        let cluster = &plan.clusters[&cluster];
        let endpoints = cluster.direct.as_ref().map_or(&cluster.endpoints, |direct| &direct.endpoints);
        for endpoint in endpoints {
            *reached.entry(endpoint.address.clone()).or_default() += share / endpoints.len() as f64;
        }
    }
    reached
}

#[test]
fn mesh_services_are_routed_by_resource_since_2_9() {
    for profile in from(V2_9) {
        let plan = services(profile, "{kind: MeshService, name: next, port: 5432}");
        assert_eq!(reached(&plan), only("192.0.2.21"), "{profile}");
        let by_labels = services(profile, "{kind: MeshService, labels: {app: next}, port: 5432}");
        assert_eq!(reached(&by_labels), only("192.0.2.21"), "{profile}");
    }
    let plan = services(V3, "{kind: MeshService, labels: {app: next}, port: 5432}");
    assert_eq!(reached(&plan), only("192.0.2.21"));
}

#[test]
fn a_section_names_the_port_of_a_backend_since_2_12() {
    for profile in from(V2_12).chain([V3]) {
        let plan = services(profile, "{kind: MeshService, labels: {app: next}, sectionName: sql}");
        assert_eq!(reached(&plan), only("192.0.2.21"), "{profile}");
    }
}

#[test]
fn mesh_external_services_take_a_share_since_2_9() {
    for profile in from(V2_9) {
        let refs = "{kind: MeshService, name: next, port: 5432, weight: 3}, {kind: MeshExternalService, name: cloud}";
        let wanted = BTreeMap::from([("192.0.2.21".to_owned(), 0.75), ("192.0.2.99".to_owned(), 0.25)]);
        assert_eq!(reached(&services(profile, refs)), wanted, "{profile}");
    }
}

#[test]
fn a_resource_that_does_not_exist_leaves_its_share_to_the_others() {
    for profile in from(V2_9) {
        let refs =
            "{kind: MeshService, name: next, port: 5432}, {kind: MeshService, name: nobody, port: 5432}";
        assert_eq!(reached(&services(profile, refs)), only("192.0.2.21"), "{profile}");
    }
}

#[test]
fn names_are_kris_in_3() {
    for profile in [V2_9, V2_14, V3] {
        let reference = if profile == V3 { "labels: {app: next}" } else { "name: next" };
        let plan = services(profile, &format!("{{kind: MeshService, {reference}, port: 5432}}"));
        let outbound = outbounds(&plan)[0];
        let is_kri = |name: &str| name.starts_with("kri_msvc_default_");
        assert_eq!(is_kri(&outbound.name), profile == V3, "{profile}: {}", outbound.name);
        assert!(
            plan.destinations().all(|(name, _)| is_kri(name) == (profile == V3)),
            "{profile}: {:?}",
            plan.clusters.keys()
        );
    }
}

#[test]
fn subsets_reach_other_zones_since_2_6() {
    let ingress = "---\ntype: ZoneIngress\nname: zi\nnetworking: {address: 192.0.2.3, port: 10001}\navailableServices: [{mesh: \
                   default, instances: 1, tags: {kuma.io/service: ledger, version: v2}}]\n";
    let subset = "{kind: MeshServiceSubset, name: ledger, tags: {version: v2}}";
    for profile in until(V2_14) {
        let text = TAGS.replace("PROTOCOL", "tcp") + ingress + &tcp("a", MESH, subset);
        let plan = plan(&snapshot(profile, &text), &ProxyId::ZoneIngress("zi".into())).unwrap();
        let routes = &plan.listeners[0].routes;
        let has_subset = routes.iter().any(|(claimed, _)| claimed.hostname().contains("version=v2"));
        assert_eq!(has_subset, profile >= V2_6, "{profile}: {routes:?}");
    }
}

#[test]
fn mesh_external_services_are_dialled_through_the_egress_since_2_9() {
    let egress = "---\ntype: ZoneEgress\nname: ze\nnetworking: {address: 192.0.2.4, port: 10002}\n";
    let secured =
        "mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}\nrouting: {zoneEgress: true}\n";
    for profile in from(V2_9) {
        let text = SERVICES
            .replace("REF", "name: ledger")
            .replace("meshServices:", &format!("{secured}meshServices:"))
            + egress
            + &tcp("a", MESH, "{kind: MeshExternalService, name: cloud}");
        let plan = planned(profile, "default/web-1", &text);
        let cluster = &plan.clusters[only_route(outbounds(&plan)[0]).split[0].cluster().unwrap()];
        let addresses: Vec<&str> =
            cluster.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect();
        assert_eq!((addresses, cluster.direct.is_none()), (vec!["192.0.2.4"], true), "{profile}");
    }
}

#[test]
fn nobody_dials_a_mesh_external_service_whose_secrets_cannot_be_loaded() {
    for profile in from(V2_9) {
        let reference = if profile == V3 { "labels: {app: ledger}" } else { "name: ledger" };
        let text =
            SERVICES.replace("REF", reference) + &tcp("a", MESH, "{kind: MeshExternalService, name: cloud}");
        let text = match profile {
            V3 => text
                .replace("{kind: MeshService, name: ledger}", "{kind: MeshService, labels: {app: ledger}}"),
            _ => text,
        };
        let unloaded = BTreeMap::from([(
            ("default".to_owned(), "cloud".to_owned()),
            "there is no Secret `cloud-ca`".to_owned(),
        )]);
        let context = Context { unloaded, ..Context::new(profile) };
        let resources = snapshot(profile, &text).resources().to_vec();
        let key: model::ProxyKey = "default/web-1".parse().unwrap();
        let plan = plan(&Snapshot::new(resources, context), &key.into()).unwrap();
        let clusters: Vec<_> = plan.destinations().filter(|(_, it)| it.service.contains("cloud")).collect();
        assert_eq!(clusters.len(), 1, "{profile}: {:?}", plan.clusters.keys());
        for (name, cluster) in clusters {
            assert!(cluster.endpoints.is_empty() && cluster.direct.is_none(), "{profile}: {name} is dialled");
        }
        let told: Vec<String> = plan.warnings.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|it| it.contains("no Secret `cloud-ca`")), "{profile}: {told:?}");
    }
}
