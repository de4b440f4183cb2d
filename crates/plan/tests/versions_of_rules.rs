//! Version matrix, as far as selection and merging show it before routing. One test per row; each checks every
//! profile.

#![allow(clippy::unwrap_used, reason = "a row that cannot be read is a failed test")]

use meshtcp_plan::{Context, Destined, Rules, Snapshot, View};
use model::Profile::{self, *};
use model::draft::{parse_unchecked, read};
use model::policy::TcpRouteConf;
use model::{Kind, ProxyKey, ResourceId};

/// Mesh, and a proxy `web` in zone `east` and namespace `shop`, which dials nothing in particular.
const WEB: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web
labels: { app: web, kuma.io/origin: zone, kuma.io/zone: east, k8s.kuma.io/namespace: shop }
networking: { address: 10.0.0.1, inbound: [{ port: 80, tags: { kuma.io/service: web, version: v1 } }] }
";

/// A service with a named port, in the same zone and namespace.
const REDIS: &str = "
---
type: MeshService
mesh: default
name: redis
labels: { kuma.io/zone: east, k8s.kuma.io/namespace: shop }
spec: { selector: { dataplaneTags: { app: redis } }, ports: [{ port: 6379, name: main }] }
";

/// Builds a MeshTCPRoute for everybody, of the same zone and namespace, that sends `to` to `backend`.
fn route(name: &str, top: &str, to: &str, backend: &str) -> String {
    let labels = "kuma.io/origin: zone, kuma.io/zone: east, k8s.kuma.io/namespace: shop";
    labelled_route(name, labels, top, to, backend)
}

fn labelled_route(name: &str, labels: &str, top: &str, to: &str, backend: &str) -> String {
    format!(
        "\n---\ntype: MeshTCPRoute\nmesh: default\nname: {name}\nlabels: {{ {labels} }}\nspec:\n  targetRef: {top}\n  \
         to: [{{ targetRef: {to}, rules: [{{ default: {{ backendRefs: [{backend}] }} }}] }}]\n"
    )
}

const ALL: &str = "{ kind: Mesh }";
const TO: &str = "{ kind: MeshService, name: ledger }";
const BACKEND: &str = "{ kind: MeshService, name: ledger, weight: 1 }";

fn seen<T>(text: &str, profile: Profile, look: impl FnOnce(&View<'_>, &Rules) -> T) -> T {
    let (documents, problems) = read("row.yaml", text);
    assert_eq!(problems, []);
    let resources = documents.iter().filter_map(|document| parse_unchecked(document, profile).resource);
    let snapshot = Snapshot::new(resources.collect::<Vec<_>>(), Context::new(profile));
    let view = snapshot.seen_by(&ProxyKey::new("default", "web")).unwrap();
    look(&view, &view.rules(Kind::MeshTCPRoute))
}

/// Names of the routes that select the proxy, least important first.
fn matched(text: &str, profile: Profile) -> String {
    let names =
        |rules: &Rules| rules.matched.iter().map(|id| id.name.clone()).collect::<Vec<_>>().join(" < ");
    seen(text, profile, |_, rules| names(rules))
}

/// Asserts that the route `it` selects the proxy exactly in these profiles.
fn selects(text: &str, profiles: impl Fn(Profile) -> bool) {
    for profile in Profile::ALL {
        assert_eq!(matched(text, profile) == "it", profiles(profile), "{profile}");
    }
}

/// Asserts that of two routes named `a` and `b`, `b` is more important in these profiles, and `a` in others.
fn b_wins(text: &str, profiles: impl Fn(Profile) -> bool) {
    for profile in Profile::ALL {
        let wanted = if profiles(profile) { "a < b" } else { "b < a" };
        assert_eq!(matched(text, profile), wanted, "{profile}");
    }
}

#[test]
fn the_larger_name_wins_until_2_5_and_the_smaller_since() {
    b_wins(&(WEB.to_owned() + &route("a", ALL, TO, BACKEND) + &route("b", ALL, TO, BACKEND)), |p| p <= V2_5);
}

#[test]
fn the_origin_ranks_since_2_6() {
    let global = labelled_route("a", "kuma.io/origin: global", ALL, TO, BACKEND);
    b_wins(&(WEB.to_owned() + &global + &route("b", ALL, TO, BACKEND)), |_| true);
    let global = labelled_route("b", "kuma.io/origin: global", ALL, TO, BACKEND);
    b_wins(&(WEB.to_owned() + &route("a", ALL, TO, BACKEND) + &global), |p| p <= V2_5);
}

#[test]
fn the_role_ranks_since_2_8() {
    let role = |role: &str| format!("kuma.io/policy-role: {role}, k8s.kuma.io/namespace: shop");
    let a = labelled_route("a", &role("producer"), ALL, TO, BACKEND);
    let b = labelled_route("b", &role("consumer"), ALL, TO, BACKEND);
    b_wins(&(WEB.to_owned() + &a + &b), |p| p <= V2_5 || p >= V2_8);
}

#[test]
fn dataplane_by_name_ranks_above_labels_since_2_10() {
    let a = route("a", "{ kind: Dataplane, labels: { app: web } }", TO, BACKEND);
    let b = route("b", "{ kind: Dataplane, name: web }", TO, BACKEND);
    for profile in [V2_10, V2_11, V2_12, V2_13, V2_14] {
        assert_eq!(matched(&(WEB.to_owned() + &a + &b), profile), "a < b", "{profile}");
    }
}

#[test]
fn zones_and_namespaces_filter_since_2_9() {
    let other_zone = labelled_route("it", "kuma.io/origin: zone, kuma.io/zone: west", ALL, TO, BACKEND);
    selects(&(WEB.to_owned() + &other_zone), |p| p <= V2_8);
    let other_namespace = "kuma.io/policy-role: consumer, k8s.kuma.io/namespace: ops";
    selects(&(WEB.to_owned() + &labelled_route("it", other_namespace, ALL, TO, BACKEND)), |p| p <= V2_8);
}

#[test]
fn shadow_policies_configure_nothing_since_2_7() {
    let shadow = labelled_route("it", "kuma.io/effect: shadow", ALL, TO, BACKEND);
    selects(&(WEB.to_owned() + &shadow), |p| p <= V2_6);
}

#[test]
fn proxy_types_filter_from_2_6_to_2_14() {
    let gateways = route("it", "{ kind: Mesh, proxyTypes: [Gateway] }", TO, BACKEND);
    selects(&(WEB.to_owned() + &gateways), |p| p <= V2_5 || p == V3);
}

#[test]
fn ignored_inbounds_count_in_late_patches_and_since_2_14() {
    let web = WEB.replace("port: 80,", "port: 80, state: Ignored,");
    selects(&(web + &route("it", ALL, TO, BACKEND)), |p| p >= V2_9 && p != V2_10);
}

#[test]
fn delegated_gateways_are_selected_since_2_6_and_by_dataplane_since_2_12() {
    let web = WEB.replace("inbound: [{ port: 80,", "gateway: {").replace("} }] }", "} } }");
    selects(&(web.clone() + &route("it", ALL, TO, BACKEND)), |p| p >= V2_6);
    selects(&(web + &route("it", "{ kind: Dataplane }", TO, BACKEND)), |p| p >= V2_12);
}

#[test]
fn one_external_service_breaks_all_rules_in_2_8_and_works_since_2_9() {
    let external = "\n---\ntype: MeshExternalService\nmesh: default\nname: db\nlabels: { kuma.io/zone: east, \
                    k8s.kuma.io/namespace: shop, kuma.io/display-name: db }\nspec: { match: { type: HostnameGenerator, \
                    port: 5432, protocol: tcp }, endpoints: [{ address: 192.0.2.1, port: 5432 }] }\n";
    let to = "{ kind: MeshExternalService, name: db, labels: { kuma.io/display-name: db } }";
    let text = WEB.to_owned() + external + &route("a", ALL, to, BACKEND) + &route("b", ALL, TO, BACKEND);
    for profile in Profile::ALL {
        seen(&text, profile, |_, rules| {
            let by_tag = rules.for_service("ledger").is_some();
            assert_eq!(by_tag, (V2_9..=V2_14).contains(&profile), "{profile}");
            assert_eq!(rules.resources.len(), usize::from(profile >= V2_9), "{profile}");
        });
    }
}

#[test]
fn rules_are_about_tags_until_2_14_and_about_real_resources_since_2_9() {
    let to = "{ kind: MeshService, name: redis }";
    let text = WEB.to_owned() + REDIS + &route("by-name", ALL, to, BACKEND);
    let labels = "{ kind: MeshService, labels: { kuma.io/zone: east } }";
    let by_labels = WEB.to_owned() + REDIS + &route("by-labels", ALL, labels, BACKEND);
    for profile in Profile::ALL {
        seen(&text, profile, |_, rules| {
            assert_eq!(rules.for_service("redis").is_some(), profile <= V2_14, "{profile}");
            assert_eq!(!rules.resources.is_empty(), (V2_9..=V2_14).contains(&profile), "{profile}");
        });
        seen(&by_labels, profile, |_, rules| assert_eq!(!rules.resources.is_empty(), profile >= V2_9));
    }
}

#[test]
fn a_section_that_does_not_exist_is_a_dead_rule_in_2_9_and_none_since_2_10() {
    let to = "{ kind: MeshService, name: redis, sectionName: nowhere }";
    let text = WEB.to_owned() + REDIS + &route("it", ALL, to, BACKEND);
    for profile in Profile::ALL {
        let sections = seen(&text, profile, |_, rules| {
            rules.resources.keys().map(|id: &ResourceId| id.section.clone()).collect::<Vec<_>>()
        });
        let wanted = if profile == V2_9 { vec!["nowhere"] } else { vec![] };
        assert_eq!(sections, wanted, "{profile}");
    }
}

/// Destination that the only backendRef of `it` resolves to.
fn destined(backend: &str, profile: Profile) -> Destined {
    let to = "{ kind: MeshService, name: redis, labels: { kuma.io/zone: east } }";
    let text = WEB.to_owned() + REDIS + &route("it", ALL, to, backend);
    seen(&text, profile, |view, rules| {
        let merged = rules.tag.first().map(|rule| &rule.merged);
        let merged = merged.or_else(|| rules.resources.values().next().map(|rule| &rule.merged)).unwrap();
        let origin = rules.backend_ref_origin(merged, "").unwrap();
        view.resolve_backend_ref(&merged.said().map(TcpRouteConf::backends).unwrap()[0], origin)
    })
}

#[test]
fn a_backend_is_real_by_port_since_2_8_and_by_section_since_2_12() {
    for profile in Profile::ALL {
        let is_real = |backend: &str| matches!(destined(backend, profile), Destined::Real(_));
        let by_labels = "kind: MeshService, labels: { kuma.io/zone: east }";
        assert_eq!(is_real(&format!("{{ {by_labels}, port: 6379 }}")), profile >= V2_8, "{profile}");
        assert_eq!(is_real(&format!("{{ {by_labels}, sectionName: main }}")), profile >= V2_12, "{profile}");
        assert_eq!(is_real(&format!("{{ {by_labels} }}")), profile == V3, "{profile}");
    }
}

#[test]
fn references_are_found_beside_the_policy_since_2_9_and_by_labels_only_in_3() {
    for profile in Profile::ALL {
        let by_name = destined("{ kind: MeshService, name: redis, port: 6379 }", profile);
        let expected = match profile {
            _ if profile <= V2_7 => None,
            V3 => None,
            _ => Some("kri_msvc_default_east_shop_redis_6379".to_owned()),
        };
        let found = match by_name {
            Destined::Real(id) => Some(id.to_string()),
            Destined::Legacy { .. } | Destined::Dropped { .. } => None,
        };
        assert_eq!(found, expected, "{profile}");
    }
}
