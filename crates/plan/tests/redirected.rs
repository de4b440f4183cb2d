//! Connections that the kernel redirects and that match no listener.

#![allow(clippy::unwrap_used)] // a test may fail

use meshtcp_plan::{
    Context, Leaving, Passthrough, Plan, ProxyFeatures, ProxyId, Redirection, Snapshot, explain, plan,
    plan_json,
};
use model::draft::{parse_unchecked, read};
use model::{Profile, ProxyKey, Resource};
use serde_json::json;

const PROXY: &str = "
type: Dataplane
mesh: default
name: web-1
networking:
  address: 10.0.0.1
  inbound: [ { port: 80, tags: { kuma.io/service: web, kuma.io/protocol: tcp } } ]
";
const REDIRECTED: &str =
    "  transparentProxying: { redirectPortInbound: 15006, redirectPortOutbound: 15001 }\n";

fn web() -> ProxyKey {
    ProxyKey::new("default", "web-1")
}

fn snapshot(text: &str, features: Option<ProxyFeatures>) -> Snapshot {
    snapshot_by(Profile::V2_14, text, features)
}

fn snapshot_by(profile: Profile, text: &str, features: Option<ProxyFeatures>) -> Snapshot {
    let (documents, problems) = read("it.yaml", text);
    assert_eq!(problems, []);
    let resources = documents.iter().map(|document| parse_unchecked(document, profile).resource.unwrap());
    let proxies = features.map(|features| (ProxyId::Dataplane(web()), features)).into_iter().collect();
    Snapshot::new(resources.collect::<Vec<Resource>>(), Context { proxies, ..Context::new(profile) })
}

fn planned(text: &str, features: Option<ProxyFeatures>) -> Plan {
    plan(&snapshot(text, features), &ProxyId::Dataplane(web())).unwrap()
}

fn leaving(mesh: &str, policy: &str) -> Leaving {
    let text = format!("type: Mesh\nname: default\n{mesh}---{PROXY}{REDIRECTED}{policy}");
    planned(&text, None).redirected.unwrap().outbound.unwrap()
}

fn policy(default: &str) -> String {
    format!(
        "---\ntype: MeshPassthrough\nmesh: default\nname: it\nspec: {{ targetRef: {{ kind: Mesh }}, default: {default} }}\n"
    )
}

#[test]
fn a_policy_outweighs_the_mesh_and_nobody_means_everything() {
    const SHUT: &str = "networking: { outbound: { passthrough: false } }\n";
    for (mesh, default, wanted) in [
        ("", None, Passthrough::Everything),
        (SHUT, None, Passthrough::Nothing),
        ("", Some("{ passthroughMode: None }"), Passthrough::Nothing),
        (SHUT, Some("{ passthroughMode: All }"), Passthrough::Everything),
        ("", Some("{ passthroughMode: Matched }"), Passthrough::Only(Vec::new())),
    ] {
        let found = leaving(mesh, &default.map(policy).unwrap_or_default());
        assert_eq!((found.port, &found.passthrough), (15001, &wanted), "{mesh} {default:?}");
        assert_eq!(found.origin.is_some(), default.is_some(), "{mesh} {default:?}");
    }
}

#[test]
fn what_a_proxy_announces_counts_before_its_dataplane() {
    let text = format!("type: Mesh\nname: default\n---{PROXY}");
    assert_eq!(planned(&text, None).redirected, None);
    let redirection = Redirection { inbound: 25006, outbound: 25001, ipv6: false };
    let announced = ProxyFeatures { transparent: Some(redirection), ..ProxyFeatures::default() };
    let plan = planned(&format!("{text}{REDIRECTED}"), Some(announced.clone()));
    let redirected = plan.redirected.as_ref().unwrap();
    assert_eq!((redirected.port, redirected.ipv6), (25006, false));
    assert_eq!(redirected.outbound.as_ref().unwrap().port, 25001);
    assert!(plan.listeners.iter().all(|listener| listener.bind.captured), "{:?}", plan.listeners);
    // a proxy that binds its outbounds is dialled there
    let binds = ProxyFeatures { bind_outbounds: true, ..announced };
    let plan = planned(&text, Some(binds));
    assert_eq!(plan.redirected, None);
    assert!(plan.listeners.iter().all(|listener| !listener.bind.captured), "{:?}", plan.listeners);
}

#[test]
fn ipv6_is_redirected_too_unless_the_dataplane_says_otherwise() {
    for (mode, ipv6) in [("", true), (", ipFamilyMode: DualStack", true), (", ipFamilyMode: IPv4", false)] {
        let said = REDIRECTED.replace(" }", &format!("{mode} }}"));
        let plan = planned(&format!("type: Mesh\nname: default\n---{PROXY}{said}"), None);
        assert_eq!(plan.redirected.unwrap().ipv6, ipv6, "{said}");
    }
}

#[test]
fn a_policy_for_a_proxy_that_nothing_is_redirected_to_is_told() {
    let text = format!("type: Mesh\nname: default\n---{PROXY}{}", policy("{ passthroughMode: None }"));
    let warnings: Vec<String> = planned(&text, None).warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|it| it.contains("nothing is redirected to this proxy")), "{warnings:?}");
}

/// A policy about destinations.
#[test]
fn a_strict_proxy_takes_its_own_ports_only_unless_it_has_none() {
    let mesh = "type: Mesh\nname: default\nmtls: { enabledBackend: ca, backends: [ { name: ca, type: builtin } ] }\n---";
    let announced = Some(ProxyFeatures { strict_inbound_ports: true, ..ProxyFeatures::default() });
    let only = |proxy: &str| {
        planned(&format!("{mesh}{proxy}{REDIRECTED}"), announced.clone()).redirected.unwrap().only
    };
    let twice = PROXY.replace(
        "inbound: [ {",
        "inbound: [ { port: 81, tags: { kuma.io/service: a } }, { address: 10.0.0.2, port: 80, tags: { kuma.io/service: b } }, {",
    );
    assert_eq!((only(PROXY), only(&twice)), (Some(vec![80]), Some(vec![81, 80])), "each port once");
    let gateway = PROXY.replace(
        "inbound: [ { port: 80, tags: { kuma.io/service: web, kuma.io/protocol: tcp } } ]",
        "gateway: { type: DELEGATED, tags: { kuma.io/service: web } }",
    );
    assert_eq!(only(&gateway), None, "clients outside of the mesh reach a gateway");
}

fn about(kind: &str, destination: &str, default: &str) -> String {
    format!(
        "---\ntype: {kind}\nmesh: default\nname: it\nspec: {{ targetRef: {{ kind: Mesh }}, to: [ {{ targetRef: {destination}, \
         default: {default} }} ] }}\n"
    )
}

#[test]
fn it_is_logged_where_a_policy_speaks_of_everything_and_no_other_policy_speaks_of_it() {
    const LOG: &str = "{ backends: [ { type: File, file: { path: /dev/null } } ] }";
    const MESH: &str = "{ kind: Mesh }";
    let all = about("MeshAccessLog", MESH, LOG);
    let time = about("MeshTimeout", MESH, "{ idleTimeout: 7s, connectionTimeout: 3s }")
        + &about("MeshRetry", MESH, "{ tcp: { maxConnectAttempt: 4 } }");
    let by_name = about("MeshAccessLog", "{ kind: MeshService, name: pass_through }", LOG);
    let other = about("MeshAccessLog", "{ kind: MeshService, name: redis }", LOG);
    for (profile, policies, logs) in [
        (Profile::V2_7, &all, 1),
        (Profile::V2_14, &all, 1),
        (Profile::V3, &all, 1),
        (Profile::V2_14, &by_name, 1),
        (Profile::V2_14, &other, 0),
        (Profile::V2_14, &time, 0),
        (Profile::V3, &time, 0),
    ] {
        let text = format!("type: Mesh\nname: default\n---{PROXY}{REDIRECTED}{policies}");
        let plan = plan(&snapshot_by(profile, &text, None), &ProxyId::Dataplane(web())).unwrap();
        let settings = plan.redirected.unwrap().outbound.unwrap().settings;
        assert_eq!(settings.access_logs.len(), logs, "{profile} {policies}");
        assert_eq!((settings.idle_timeout, settings.max_connect_attempts), (None, None), "{profile}");
    }
}

#[test]
fn it_is_shown_and_explained() {
    let only = policy(
        "{ passthroughMode: Matched, appendMatch: [ { type: CIDR, value: 10.9.0.0/16, port: 443, protocol: tls } ] }",
    );
    let text = format!("type: Mesh\nname: default\n---{PROXY}{REDIRECTED}{only}");
    let shown = plan_json(&planned(&text, None));
    let outbound = &shown["redirected"]["outbound"];
    assert_eq!(outbound["port"], json!(15001));
    let wanted = json!([{ "type": "CIDR", "value": "10.9.0.0/16", "port": 443, "protocol": "tls" }]);
    assert_eq!(outbound["passthrough"], wanted);
    assert_eq!(outbound["policy"]["name"], json!("it"));
    let why = explain(&snapshot(&text, None), &web(), None).unwrap().to_string();
    let line = "to port 15001, what no outbound is for: passed on to tls 10.9.0.0/16 port 443, else refused, \
                from MeshPassthrough it (it.yaml:";
    assert!(why.contains(line), "{why}");
}
