//! Envelopes in both formats, and the labels that are filled in.

use std::time::Duration;

use meshtcp_model::draft::{Options, Parsed, parse, parse_unchecked, read};
use meshtcp_model::policy::AccessLogTarget;
use meshtcp_model::{Kind, PolicyRole, Profile, Resource, Severity, Spec};

fn parsed(text: &str, options: &Options) -> Parsed {
    let (documents, problems) = read("shop/routes.yaml", text);
    assert_eq!(problems, []);
    parse(&documents[0], options)
}

fn accepted(text: &str, options: &Options) -> Resource {
    let Parsed { resource, problems, is_stranger: _ } = parsed(text, options);
    resource.unwrap_or_else(|| panic!("{problems:#?}"))
}

#[test]
fn the_universal_format_says_all_in_one_object() {
    let text = "# a comment\ntype: MeshTCPRoute\nname: canary\nmesh: shop\ncreationTime: 2024-05-01T12:00:00Z\nlabels: \
                {kuma.io/effect: shadow}\nspec: {targetRef: {kind: Mesh}}\n";
    let resource = accepted(text, &Options::default());
    assert_eq!(resource.describe(), "MeshTCPRoute shop/canary");
    assert_eq!(&*resource.meta().source, "shop/routes.yaml:2");
    assert_eq!(resource.meta().created, Some(1_714_564_800_000_000));
    assert!(resource.meta().is_shadow());
    let labels = resource.meta().labels.to_string();
    assert_eq!(labels, "kuma.io/display-name=canary,kuma.io/effect=shadow,kuma.io/mesh=shop");
    assert_eq!(resource.id().to_string(), "kri_mtcpr_shop___canary_");

    let stored = parse_unchecked(&read("f", text).0[0], Profile::V2_14).resource.unwrap();
    assert_eq!(stored.meta().labels.to_string(), "kuma.io/effect=shadow", "nothing is filled in");
}

#[test]
fn a_zone_signs_what_is_made_in_it() {
    let options = Options { zone: Some("east".into()), ..Options::default() };
    let resource = accepted("type: MeshTCPRoute\nname: r\nspec: {}\n", &options);
    assert_eq!(
        (resource.meta().zone(), resource.meta().labels.get("kuma.io/origin")),
        ("east", Some("zone"))
    );
    let global = "type: MeshTCPRoute\nname: r\nlabels: {kuma.io/origin: global}\nspec: {}\n";
    assert_eq!(accepted(global, &options).meta().zone(), "");
}

#[test]
fn the_kubernetes_format_has_a_namespace() {
    let route = |namespace: &str, item: &str| {
        format!(
            "apiVersion: kuma.io/v1alpha1\nkind: MeshTCPRoute\nmetadata:\n  name: r\n  namespace: {namespace}\n  \
             annotations: {{kuma.io/mesh: shop, meshtcp.io/on-unavailable: spill}}\nspec:\n  targetRef: {{kind: Mesh}}\n  to:\n  - targetRef: {item}\n    \
             rules: []\n"
        )
    };
    let here = "{kind: MeshService, name: a}";
    let there = "{kind: MeshService, name: a, namespace: other}";
    let cases = [
        ("kuma-system", here, PolicyRole::System),
        ("team", here, PolicyRole::Producer),
        ("team", there, PolicyRole::Consumer),
    ];
    for (namespace, item, role) in cases {
        let resource = accepted(&route(namespace, item), &Options::default());
        assert_eq!(resource.meta().name, format!("r.{namespace}").as_str());
        assert_eq!((resource.meta().display_name(), resource.meta().namespace()), ("r", namespace));
        assert_eq!(resource.meta().mesh, "shop");
        assert_eq!(resource.meta().role(), role, "{namespace} {item}");
        assert_eq!(resource.meta().labels.get("meshtcp.io/on-unavailable"), Some("spill"));
    }
    let old = Options { profile: Profile::V2_8, ..Options::default() };
    assert_eq!(accepted(&route("team", here), &old).meta().role(), PolicyRole::Consumer);
    let older = Options { profile: Profile::V2_7, ..Options::default() };
    let problems = parsed(&route("team", here).replace("namespace: other", ""), &older).problems;
    assert!(
        problems
            .iter()
            .any(|problem| problem.violation.message == "policies live only in the system namespace")
    );
}

#[test]
fn a_mesh_stays_the_same_in_both_formats() {
    let universal = "type: Mesh\nname: shop\nrouting: {localityAwareLoadBalancing: true}\n";
    let kubernetes = "apiVersion: kuma.io/v1alpha1\nkind: Mesh\nmetadata: {name: shop}\nspec: {routing: \
                      {localityAwareLoadBalancing: true}}\n";
    let [one, other] = [universal, kubernetes].map(|text| accepted(text, &Options::default()));
    assert_eq!(one.spec(), other.spec());
    assert_eq!((&one.meta().name, one.meta().mesh.as_str()), (&other.meta().name, ""));
}

#[test]
fn weights_are_filled_in_where_the_schema_does() {
    let text = "type: MeshTCPRoute\nname: r\nspec:\n  to:\n  - targetRef: {kind: MeshService, name: a}\n    rules:\n    - \
                default: {backendRefs: [{kind: MeshServiceSubset, name: b, tags: {version: 1}}, {kind: MeshService, name: \
                c, weight: 9.0}]}\n";
    for (profile, weight) in [(Profile::V2_9, None), (Profile::V2_10, Some(1))] {
        let resource = parse_unchecked(&read("f", text).0[0], profile).resource.unwrap();
        let Spec::Policy(policy) = resource.spec() else { panic!("{resource:?}") };
        let refs = &policy.to[0].backend_refs[0];
        assert_eq!((refs[0].weight, refs[1].weight), (weight, Some(9)));
        assert_eq!(refs[0].target.tags.get("version"), Some("1"));
    }
}

#[test]
fn legacy_policies_have_typed_views() {
    let policy = |kind: &str, conf: &str| {
        let all = "[{match: {kuma.io/service: '*'}}]";
        let text = format!("type: {kind}\nname: r\nsources: {all}\ndestinations: {all}\nconf: {conf}\n");
        match accepted(&text, &Options::default()).spec().clone() {
            Spec::Legacy(policy) => policy,
            other => panic!("{other:?}"),
        }
    };
    let timeout = policy("Timeout", "{connectTimeout: 2s, tcp: {idleTimeout: 1h}}");
    let said = timeout.timeout().unwrap();
    assert_eq!(said.connect, Some(Duration::from_secs(2)));
    assert_eq!(said.idle, Some(Duration::from_secs(3600)));
    assert_eq!(policy("Retry", "{tcp: {maxConnectAttempts: 5}}").max_connect_attempts(), Some(5));
    let log = policy("TrafficLog", "{backend: lines}");
    assert_eq!((log.kind, log.logging_backend()), (Kind::TrafficLog, Some("lines")));

    let mesh = "type: Mesh\nname: m\nlogging: {defaultBackend: file, backends: [{name: lines, type: tcp, conf: {address: \
                '127.0.0.1:9'}}, {name: file, type: file, conf: {path: /tmp/x}}]}\n";
    let Spec::Mesh(mesh) = accepted(mesh, &Options::default()).spec().clone() else { panic!("no mesh") };
    let target = |name| mesh.logging.backend(name).map(|backend| backend.target.clone());
    assert_eq!(target(log.logging_backend()), Some(AccessLogTarget::Tcp("127.0.0.1:9".into())));
    assert_eq!(target(None), Some(AccessLogTarget::File("/tmp/x".into())));
}

#[test]
fn numbers_of_the_older_kinds_may_be_quoted_and_what_is_no_number_is_told_as_that() {
    let inbound = |port: &str, service_port: &str| {
        format!(
            "type: Dataplane\nname: q\nnetworking:\n  address: 127.0.0.1\n  inbound: [{{port: {port}, servicePort: \
             {service_port}, tags: {{kuma.io/service: q}}}}]\n"
        )
    };
    let Spec::Dataplane(quoted) =
        accepted(&inbound("'7384'", "\"7385\""), &Options::default()).spec().clone()
    else {
        panic!("no dataplane")
    };
    assert_eq!((quoted.inbound[0].port, quoted.inbound[0].service_port), (7384, Some(7385)));
    let told = |port: &str| {
        let parsed = parse(&read("f", &inbound(port, "1")).0[0], &Options::default());
        parsed.problems.iter().map(|problem| problem.violation.to_string()).collect::<Vec<_>>()
    };
    let at = "networking.inbound[0].port: ";
    assert_eq!(told("abc"), [format!("{at}must be a whole number, but is `abc`, which is no number")]);
    assert_eq!(told("''"), [format!("{at}must be a whole number, but is empty text")]);
    assert_eq!(told("31406.5"), [format!("{at}31406.5 is no whole number that is allowed here")]);
    assert_eq!(told("'70000'"), [format!("{at}port must be in the range [1, 65535]")]);
    assert_eq!(told("~"), [format!("{at}port must be in the range [1, 65535]")]);
}

#[test]
fn what_is_no_document_is_told_in_the_words_of_its_situation() {
    let help = |text: &str| {
        let (_, problems) = read("f.yaml", text);
        (problems[0].violation.message.clone(), problems[0].help.clone().unwrap())
    };
    let (message, template) = help("type: Dataplane\nnetworking:\n  address: {{ POD_IP }}\n");
    assert_eq!(message, "is a template that was not filled in");
    assert!(template.starts_with("fill it in first"), "{template}");
    let (message, _) = help("type: Dataplane\n[a]: b\n");
    assert_eq!(message, "is a key that is no text");
    let (_, mark) = help("---\n\u{feff}# moved by an editor\ntype: Mesh\nname: default\n");
    assert!(mark.contains("remove it"), "{mark}");
}

#[test]
fn what_people_keep_beside_resources_is_known_by_name() {
    let options = Options::default();
    for kind in ["AccessRole", "MeshOPA", "MeshGlobalRateLimit", "MeshGatewayInstance", "DataplaneInsight"] {
        for text in [
            format!("type: {kind}\nname: x\nspec: {{rules: [1]}}\n"),
            format!("apiVersion: kuma.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\n"),
        ] {
            let parsed = parse(&read("f", &text).0[0], &options);
            assert!(parsed.resource.is_none());
            let [problem] = &parsed.problems[..] else { panic!("{text}: {:?}", parsed.problems) };
            assert!(!parsed.is_stranger, "it is no error, so that it hides none");
            assert_eq!(problem.severity, Severity::Warning, "{text}");
            assert!(problem.violation.message.starts_with(&format!("{kind} is left out: ")), "{problem:?}");
        }
    }
    let parsed = parse(&read("f", "type: MeshOPPA\nname: x\n").0[0], &options);
    assert_eq!(parsed.problems[0].severity, Severity::Error, "a slip is none of them");
}

#[test]
fn habits_of_other_tools_are_told_what_to_do_here() {
    let help = |text: &str| {
        parse(&read("f", text).0[0], &Options::default()).problems[0].help.clone().unwrap_or_default()
    };
    let dataplane =
        "mesh: default\nnetworking: {address: 127.0.0.1, inbound: [{port: 1, tags: {kuma.io/service: x}}]}\n";
    for name in ["${NAME}", "$(NAME)", "'{{ .Release.Name }}'", "<%= name %>"] {
        let help = help(&format!("type: Dataplane\nname: {name}\n{dataplane}"));
        assert!(help.contains("template"), "{name}: {help}");
    }
    let help = help(&format!("x-common: &c {{a: b}}\ntype: Dataplane\nname: web-1\n{dataplane}"));
    assert!(help.contains("anchor"), "{help}");
}

#[test]
fn the_help_for_a_weight_that_is_no_number_is_about_its_look() {
    let help = |weight: &str| {
        let text = format!(
            "type: MeshTCPRoute\nname: r\nspec:\n  to:\n  - targetRef: {{kind: MeshService, name: a}}\n    rules: \
             [{{default: {{backendRefs: [{{kind: MeshService, name: b, weight: {weight}}}]}}}}]\n"
        );
        parse(&read("f", &text).0[0], &Options::default()).problems[0].help.clone().unwrap_or_default()
    };
    assert_eq!(help("'10'"), "write it without quotes");
    assert_eq!(help("10%"), "write 10, without the per cent sign");
    assert!(help(".inf").starts_with("write a whole number"));
    assert_eq!(help("many"), "");
}

#[test]
fn a_list_is_its_items_however_it_is_called() {
    let item = "{type: Mesh, name: a}";
    for (text, documents) in [
        (format!("items: [{item}, {item}]\n"), 2),
        (format!("total: 1\nitems: [{item}]\nnext: null\n"), 1),
        (format!("kind: List\napiVersion: v1\nitems: [{item}]\n"), 1),
        ("items: []\n".to_owned(), 0),
        // a resource with a field of that name
        (format!("type: Mesh\nname: a\nitems: [{item}]\n"), 1),
        (format!("kind: Mesh\nitems: [{item}, {item}]\n"), 1),
    ] {
        assert_eq!(meshtcp_model::draft::read("a", text.as_str()).0.len(), documents, "{text}");
    }
}

#[test]
fn labels_and_tags_that_look_like_numbers_keep_their_text_in_the_tree_that_is_stored() {
    let text = "type: Dataplane\nmesh: default\nname: d\nlabels: {app/version: 1.10}\nnetworking:\n  address: 127.0.0.1\n  \
                inbound: [{port: 80, tags: {kuma.io/service: a, version: 1.10, build: 0x1f, major: 2}}]\n";
    for text in [text.to_owned(), text.replace("version: 1.10", "version: \"1.10\"")] {
        let (documents, problems) = read("d.yaml", &text);
        assert!(problems.is_empty(), "{problems:?}");
        let tree = documents[0].value();
        assert_eq!(tree["labels"]["app/version"], "1.10");
        let tags = &tree["networking"]["inbound"][0]["tags"];
        assert_eq!(
            (&tags["version"], &tags["build"], &tags["major"]),
            (&"1.10".into(), &"0x1f".into(), &"2".into())
        );
        assert_eq!(tree["networking"]["inbound"][0]["port"], 80);
    }
}
