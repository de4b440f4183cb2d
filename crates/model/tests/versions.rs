//! Version matrix of `docs/guide/versions.md`, as far as a document alone shows it: what each profile accepts,
//! refuses and warns about. One test per row; each checks every profile.

use meshtcp_model::Profile::{self, *};
use meshtcp_model::draft::{self, Options};
use meshtcp_model::{Kind, Severity, violation::Problem};

/// Builds a MeshTCPRoute in the Universal format; the parts are flow YAML.
fn route(top: &str, to: &str, backend: &str) -> String {
    format!(
        "type: MeshTCPRoute\nmesh: default\nname: one\nspec:\n  targetRef: {top}\n  to:\n    - targetRef: {to}\n      \
         rules: [{{default: {{backendRefs: [{backend}]}}}}]\n"
    )
}

fn problems(profile: Profile, text: &str, severity: Severity) -> Vec<Problem> {
    let (documents, mut problems) = draft::read("row.yaml", text);
    let options = Options { profile, ..Options::default() };
    problems.extend(documents.iter().flat_map(|document| draft::parse(document, &options).problems));
    problems.into_iter().filter(|problem| problem.severity == severity).collect()
}

fn errors(profile: Profile, text: &str) -> String {
    let errors = problems(profile, text, Severity::Error);
    errors.iter().map(|problem| problem.violation.to_string()).collect::<Vec<_>>().join("; ")
}

fn warnings(profile: Profile, text: &str) -> String {
    let warnings = problems(profile, text, Severity::Warning);
    warnings.iter().map(|problem| problem.violation.message.clone()).collect::<Vec<_>>().join("; ")
}

/// Asserts that `text` is accepted by exactly the profiles from `first` to `last`.
fn accepted(text: &str, first: Profile, last: Profile) {
    for profile in Profile::ALL {
        let errors = errors(profile, text);
        let wanted = first <= profile && profile <= last;
        assert_eq!(errors.is_empty(), wanted, "{profile}: {errors}\n{text}");
    }
}

/// Asserts that `text` is accepted by no profile.
fn refused(text: &str) {
    for profile in Profile::ALL {
        assert_ne!(errors(profile, text), "", "{profile}\n{text}");
    }
}

/// Reference to a service: by name, and in profile 3 by labels.
fn service(profile: Profile) -> &'static str {
    if profile == V3 { "{kind: MeshService, labels: {app: b}}" } else { "{kind: MeshService, name: b}" }
}

const MESH: &str = "{kind: Mesh}";
const SERVICE: &str = "{kind: MeshService, name: a}";

#[test]
fn mesh_tcp_route_exists_since_2_3() {
    for profile in Profile::ALL {
        let text = route(MESH, service(profile), service(profile));
        assert_eq!(errors(profile, &text), "", "{profile}");
    }
}

/// No release has matches: the profile that extends 2.14 does, and the others name it.
#[test]
fn matches_only_in_2_14_plus() {
    let matched = |matches: &str| {
        route(MESH, SERVICE, SERVICE).replace("{default:", &format!("{{matches: [{matches}], default:"))
    };
    let all = "{serverName: '*.Example.com', destinationPort: 5432, sourceCIDR: 10.0.0.0/8, \
               spiffeID: {type: Prefix, value: 'spiffe://default/w'}}";
    assert_eq!(errors(Extended, &matched(all)), "");
    for profile in Profile::ALL.into_iter().filter(|profile| *profile < V3) {
        let problems = problems(profile, &matched(all), Severity::Error);
        let [problem] = problems.as_slice() else { panic!("{profile}: {problems:?}") };
        let told = format!("{}: {}", problem.violation, problem.help.as_deref().unwrap_or_default());
        assert!(
            told.contains(&format!("profile {profile} has no `matches`")) && told.contains("2.14+"),
            "{told}"
        );
    }
    for (bad, word) in [
        ("{}", "says nothing about connections"),
        ("{serverName: '*'}", "`*` is no server name"),
        ("{serverName: 'a..b'}", "no server name"),
        ("{destinationPort: 0}", "0 is no port"),
        ("{sourceCIDR: 10.0.0.0/33}", "neither an address nor a network"),
        ("{spiffeID: {value: 'spiffe://a/b'}}", "must be set"),
        ("{spiffeID: {type: Exact, value: web}}", "no SPIFFE ID"),
        ("{serverNames: a.com}", "no such field"),
    ] {
        assert!(errors(Extended, &matched(bad)).contains(word), "{bad}: {}", errors(Extended, &matched(bad)));
    }
    let two = |first: &str, second: &str| {
        let rule = "default: {backendRefs: [{kind: MeshService, name: b}]}";
        let rules = format!("rules: [{{{first}{rule}}}, {{{second}{rule}}}]");
        let one = format!("rules: [{{default: {{backendRefs: [{SERVICE}]}}}}]");
        route(MESH, SERVICE, SERVICE).replace(&one, &rules)
    };
    let some = "matches: [{destinationPort: 1}], ";
    assert_eq!(errors(Extended, &two(some, "")), "");
    assert_eq!(errors(Extended, &two("", some)), "");
    assert_eq!(errors(Extended, &two(some, some)), "");
    assert!(errors(Extended, &two("", "")).contains("takes every connection"));
    assert!(errors(V2_14, &two("", "")).contains("at most 1 items"));
}

/// All other documents mean the same in 2.14 and in the profile that extends it.
#[test]
fn what_extends_2_14_refuses_and_warns_as_2_14_does() {
    for text in [
        route(MESH, SERVICE, SERVICE),
        route("{kind: MeshService, name: web}", SERVICE, SERVICE),
        route("{kind: MeshGateway, name: edge}", MESH, SERVICE),
        route(MESH, SERVICE, "{kind: MeshMultiZoneService, name: b}"),
        route(MESH, "{kind: Mesh}", "{kind: MeshService}"),
    ] {
        assert_eq!(errors(Extended, &text), errors(V2_14, &text), "{text}");
        assert_eq!(warnings(Extended, &text), warnings(V2_14, &text), "{text}");
    }
}

#[test]
fn top_mesh_and_mesh_subset() {
    accepted(&route("{kind: MeshSubset, tags: {team: shop}}", SERVICE, SERVICE), V2_3, V2_14);
    refused(&route("{kind: Mesh, tags: {team: shop}}", SERVICE, SERVICE));
}

#[test]
fn top_mesh_service_and_mesh_service_subset() {
    accepted(&route("{kind: MeshService, name: web}", SERVICE, SERVICE), V2_3, V2_14);
    accepted(&route("{kind: MeshServiceSubset, name: web, tags: {v: '1'}}", SERVICE, SERVICE), V2_3, V2_14);
}

#[test]
fn top_dataplane_since_2_10() {
    accepted(&route("{kind: Dataplane, labels: {team: shop}}", SERVICE, SERVICE), V2_10, V2_14);
    accepted(&route("{kind: Dataplane, name: web-1}", SERVICE, SERVICE), V2_10, V2_14);
    let by_labels = route("{kind: Dataplane, labels: {team: shop}}", service(V3), service(V3));
    assert_eq!(errors(V3, &by_labels), "");
    let inbound_only = route("{kind: Dataplane, sectionName: http}", service(V3), service(V3));
    assert!(errors(V3, &inbound_only).contains("can only be used with inbound policies"));
    assert!(errors(V2_14, &inbound_only.replace("labels: {app: b}", "name: b")).contains("inbound policies"));
}

#[test]
fn top_target_ref_is_optional_since_2_9() {
    for profile in Profile::ALL {
        let text = route(MESH, service(profile), service(profile)).replace("  targetRef: {kind: Mesh}\n", "");
        assert_eq!(
            errors(profile, &text).is_empty(),
            profile >= V2_9,
            "{profile}: {}",
            errors(profile, &text)
        );
    }
}

#[test]
fn builtin_gateways_from_2_6_to_2_14() {
    accepted(&route("{kind: MeshGateway, name: edge}", MESH, SERVICE), V2_6, V2_14);
    accepted(&route("{kind: MeshGateway, name: edge, tags: {port: sql}}", MESH, SERVICE), V2_6, V2_14);
    refused(&route("{kind: MeshGateway, name: edge}", SERVICE, SERVICE)); // `to` must be Mesh
    refused(&route(MESH, MESH, SERVICE)); // and Mesh is for gateways only
}

#[test]
fn gateway_policies_are_the_mesh_operators_since_2_8() {
    let consumer = route("{kind: MeshGateway, name: edge}", MESH, SERVICE)
        .replace("spec:\n", "labels: {kuma.io/policy-role: consumer}\nspec:\n");
    for profile in [V2_8, V2_14] {
        assert!(
            errors(profile, &consumer).starts_with("spec.targetRef.kind:"),
            "{}",
            errors(profile, &consumer)
        );
    }
}

#[test]
fn proxy_types_from_2_6_to_2_14() {
    accepted(&route("{kind: Mesh, proxyTypes: [Sidecar]}", SERVICE, SERVICE), V2_6, V2_14);
    accepted(&route("{kind: Mesh, proxyTypes: []}", SERVICE, SERVICE), V2_6, V2_9);
}

#[test]
fn to_mesh_external_service_since_2_8() {
    accepted(&route(MESH, "{kind: MeshExternalService, name: a}", SERVICE), V2_8, V2_14);
}

#[test]
fn to_mesh_multi_zone_service_since_2_9() {
    accepted(&route(MESH, "{kind: MeshMultiZoneService, name: a}", SERVICE), V2_9, V2_14);
}

#[test]
fn backends_mesh_service_and_mesh_service_subset() {
    accepted(&route(MESH, SERVICE, SERVICE), V2_3, V2_14);
    accepted(&route(MESH, SERVICE, "{kind: MeshServiceSubset, name: b, tags: {version: v2}}"), V2_3, V2_14);
}

#[test]
fn a_subset_backend_without_tags_is_the_whole_service() {
    accepted(&route(MESH, SERVICE, "{kind: MeshServiceSubset, name: b}"), V2_3, V2_14);
}

#[test]
fn backend_mesh_external_service_since_2_9() {
    // 2.8 has an experimental form of it.
    accepted(&route(MESH, SERVICE, "{kind: MeshExternalService, name: b}"), V2_8, V2_14);
}

#[test]
fn backend_mesh_multi_zone_service_since_2_9_with_port() {
    accepted(&route(MESH, SERVICE, "{kind: MeshMultiZoneService, name: b, port: 5432}"), V2_9, V2_14);
    refused(&route(MESH, SERVICE, "{kind: MeshMultiZoneService, name: b}"));
    let sections_do_not_replace_it = "{kind: MeshMultiZoneService, labels: {a: b}, sectionName: sql}";
    assert!(
        errors(V3, &route(MESH, service(V3), sections_do_not_replace_it))
            .contains("must be defined with kind")
    );
}

#[test]
fn names_until_2_14_labels_since_2_8() {
    accepted(&route(MESH, SERVICE, "{kind: MeshService, labels: {app: b}}"), V2_8, V2_14);
    accepted(&route(MESH, SERVICE, "{kind: MeshExternalService, labels: {app: b}}"), V2_9, V2_14);
    for profile in Profile::ALL {
        let by_name = errors(profile, &route(MESH, service(profile), SERVICE));
        assert_eq!(by_name.is_empty(), profile <= V2_14, "{profile}: {by_name}");
    }
}

#[test]
fn namespaces_from_2_8_to_2_14() {
    accepted(&route(MESH, SERVICE, "{kind: MeshService, name: b, namespace: shop}"), V2_8, V2_14);
}

#[test]
fn labels_with_section_name_since_2_10() {
    accepted(&route(MESH, "{kind: MeshService, labels: {app: a}, sectionName: sql}", SERVICE), V2_10, V2_14);
}

#[test]
fn backend_ports_since_2_7() {
    accepted(&route(MESH, SERVICE, "{kind: MeshService, name: b, port: 5432}"), V2_7, V2_14);
}

#[test]
fn one_rule_with_a_default() {
    let text = route(MESH, SERVICE, SERVICE);
    refused(&text.replace("rules: [", "rules: [{default: {backendRefs: [{kind: MeshService, name: c}]}}, "));
    accepted(&text.replace("{default: {backendRefs: [{kind: MeshService, name: a}]}}", ""), V2_3, V2_14); // `rules: []`
    for profile in Profile::ALL {
        let shorthand = "type: MeshTCPRoute\nmesh: default\nname: one\nspec:\n  targetRef: {kind: Mesh}\n  to:\n    - targetRef: \
             {kind: MeshService, name: a}\n      default: {backendRefs: [{kind: MeshService, name: b}]}\n";
        let shown = problems(profile, shorthand, Severity::Error);
        let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|problem| problem.contains("rules")), "{profile}: {shown:?}");
    }
}

#[test]
fn rules_may_be_missing_until_2_9() {
    let text = route(MESH, SERVICE, SERVICE);
    let without = &text[..text.find("      rules").unwrap()];
    accepted(without, V2_3, V2_9);
}

#[test]
fn backend_refs_may_not_be_empty() {
    for profile in Profile::ALL {
        let text = route(MESH, service(profile), "");
        let wanted = if profile <= V2_9 {
            "spec.to[0].rules[0].default.backendRefs: in body should have at least 1 items"
        } else {
            "spec.to[0].rules[0].default.backendRefs: must be defined"
        };
        assert_eq!(errors(profile, &text), wanted, "{profile}");
    }
}

#[test]
fn weights_are_not_negative_and_end_at_32_bits_in_3() {
    for profile in Profile::ALL {
        let weighing = |weight: &str| {
            let backend = service(profile).replacen(", ", &format!(", weight: {weight}, "), 1);
            errors(profile, &route(MESH, service(profile), &backend))
        };
        assert_eq!(weighing("0"), "", "{profile}");
        assert!(
            weighing("-1").contains("should be greater than or equal to 0"),
            "{profile}: {}",
            weighing("-1")
        );
        assert_eq!(weighing("4294967295"), "", "{profile}");
        assert_eq!(weighing("4294967296").is_empty(), profile != V3, "{profile}: {}", weighing("4294967296"));
    }
}

#[test]
fn deprecated_top_kinds_are_warned_about() {
    const SUBSET: &str =
        "MeshSubset value for 'targetRef.kind' is deprecated, use Dataplane with labels instead";
    let by_service = "{kind: MeshService, name: web}";
    let by_subset = "{kind: MeshSubset, tags: {team: shop}}";
    let by_both = "{kind: MeshServiceSubset, name: web, tags: {team: shop}}";
    for profile in Profile::ALL.into_iter().filter(|profile| *profile < V3) {
        let warned = |top| warnings(profile, &route(top, SERVICE, SERVICE));
        assert_eq!(warned(MESH), "", "{profile}");
        match profile {
            V2_9 | V2_10 => assert!(warned(by_service).contains("use MeshSubset with 'kuma.io/service' tag")),
            _ => assert_eq!(warned(by_service).is_empty(), profile < V2_9, "{profile}"),
        }
        assert_eq!(warned(by_subset).contains(SUBSET), profile >= V2_10, "{profile}: {}", warned(by_subset));
        assert_eq!(warned(by_both).is_empty(), profile < V2_11, "{profile}: {}", warned(by_both));
    }
}

#[test]
fn the_words_of_each_release() {
    let without_kind = route("{kind: ''}", SERVICE, SERVICE);
    let unsupported = route("{kind: MeshHTTPRoute, name: a}", SERVICE, SERVICE);
    let disallowed = route("{kind: MeshSubset, name: web, tags: {a: b}}", SERVICE, SERVICE);
    let required = route(MESH, SERVICE, "{kind: MeshServiceSubset, tags: {a: b}}");
    let tag_names = route(MESH, SERVICE, "{kind: MeshServiceSubset, name: b, tags: {'ver sion': v1}}");
    let ref_names = route(MESH, SERVICE, "{kind: MeshService, name: B}");
    for profile in Profile::ALL.into_iter().filter(|profile| *profile < V3) {
        let validator = |text: &str| {
            let (documents, _) = draft::read("row.yaml", text);
            let violations = draft::validate(&documents[0], profile);
            violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let wording = |text: &str, old: &str, new: &str, since: Profile| {
            let wanted = if profile < since { old } else { new };
            assert!(validator(text).contains(wanted), "{profile}: {wanted} is not in: {}", validator(text));
        };
        wording(&without_kind, "must be set", "must be defined", V2_5);
        wording(&unsupported, "value is not supported", "value 'MeshHTTPRoute' is not supported", V2_13);
        wording(
            &disallowed,
            "cannot be set with kind MeshSubset",
            "must not be set with kind MeshSubset",
            V2_5,
        );
        wording(&required, "must be set with kind", "must be set when kind is MeshServiceSubset", V2_14);
        assert_eq!(validator(&tag_names).is_empty(), profile < V2_5, "{profile}: {}", validator(&tag_names));
        assert_eq!(validator(&ref_names).is_empty(), profile < V2_5, "{profile}: {}", validator(&ref_names));
    }
}

#[test]
fn services_outside_the_mesh_and_in_zones_are_kinds_since_2_9() {
    let external = "type: MeshExternalService\nmesh: default\nname: db\nspec:\n  match: {type: HostnameGenerator, port: 5432, \
                    protocol: tcp}\n  endpoints: [{address: 192.0.2.1, port: 5432}]\n";
    for profile in [V2_9, V2_14, V3] {
        assert_eq!(errors(profile, external), "", "{profile}");
    }
    for profile in [V2_3, V2_7] {
        assert!(
            errors(profile, external).contains("no MeshExternalService"),
            "{}",
            errors(profile, external)
        );
    }
}

#[test]
fn kinds_of_the_tag_based_model_end_with_2_14() {
    let traffic_route = "type: TrafficRoute\nmesh: default\nname: all\nsources: [{match: {kuma.io/service: '*'}}]\n\
                         destinations: [{match: {kuma.io/service: '*'}}]\nconf: {destination: {kuma.io/service: '*'}}\n";
    accepted(traffic_route, V2_3, V2_14);
    let gateway = "type: MeshGateway\nmesh: default\nname: edge\nselectors: [{match: {kuma.io/service: edge}}]\n\
                   conf: {listeners: [{port: 5432, protocol: TCP}]}\n";
    assert_eq!(errors(V2_14, gateway), "");
    assert!(!errors(V3, gateway).is_empty());
}

#[test]
fn every_profile_knows_its_own_kinds_and_names_those_of_others() {
    let known = |profile: Profile| {
        let of_release = Kind::ALL.iter().filter(|kind| !kind.is_own());
        of_release.filter(|kind| kind.window().contains(profile)).count()
    };
    assert_eq!(known(V2_14), 47);
    let parsed = |kind: &str, profile| {
        let text = format!("type: {kind}\nname: a\nspec: {{}}\n");
        let options = Options { profile, ..Options::default() };
        draft::parse(&draft::read("f", &text).0[0], &options)
    };
    for kind in ["TrafficTrace", "FaultInjection", "RateLimit", "ProxyTemplate"] {
        assert!(Kind::from_text(kind).unwrap().window().contains(V2_14), "{kind}");
        let refused = parsed(kind, V3);
        let told = format!(
            "f:1:1: error: profile 3 has no {kind} (it is known up to 2.14: choose such a profile, or remove it)"
        );
        assert_eq!(refused.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
        assert!(refused.is_stranger);
    }
    let nobody = parsed("RateLimitt", V2_14);
    assert!(nobody.is_stranger && nobody.problems.errors() == 1, "{:?}", nobody.problems);
    assert!(!parsed("MeshTCPRoute", V2_14).is_stranger);
    for (kind, since) in
        [("MeshZoneAddress", V2_14), ("MeshOpenTelemetryBackend", V2_14), ("Workload", Profile::V2_13)]
    {
        assert_eq!(Kind::from_text(kind).unwrap().window().since, since, "{kind}");
    }
}
