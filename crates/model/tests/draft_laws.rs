//! Laws of reading documents, for any input.

use meshtcp_model::Profile;
use meshtcp_model::draft::{
    Document, Options, parse, parse_unchecked, read, read_bytes, validate, validate_by_stage,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Text that looks a little like what people write.
fn scribble() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("type: MeshTCPRoute\n".to_owned()),
        Just("spec:\n".to_owned()),
        Just("  to:\n".to_owned()),
        Just("    - ".to_owned()),
        Just("targetRef: {kind: Mesh}\n".to_owned()),
        Just("---\n".to_owned()),
        Just("...\n".to_owned()),
        Just("\t".to_owned()),
        Just("&a [*a, *b]".to_owned()),
        Just("<<: *a\n".to_owned()),
        Just("\"\\ud83d\"".to_owned()),
        Just("{\"a\": [1, -0.5e3, null".to_owned()),
        Just("}]".to_owned()),
        Just("|2\n".to_owned()),
        Just("? : -".to_owned()),
        Just("!!str 5".to_owned()),
        Just("%YAML 1.2\n".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("ä\r\n".to_owned()),
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Trees whose keys and values are mostly those of a route.
fn tree() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "MeshTCPRoute",
        "MeshTimeout",
        "Timeout",
        "Mesh",
        "MeshService",
        "MeshGateway",
        "Dataplane",
        "a",
        "A b",
        "*",
        "",
        "5s",
        "kuma.io/v1alpha1",
        "yes",
        "012",
        "~",
        "-",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000_i32..1000).prop_map(|number| json!(f64::from(number) / 8.0)),
        word.prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "kind",
        "apiVersion",
        "metadata",
        "name",
        "mesh",
        "labels",
        "namespace",
        "spec",
        "targetRef",
        "to",
        "from",
        "rules",
        "default",
        "backendRefs",
        "weight",
        "port",
        "tags",
        "sectionName",
        "proxyTypes",
        "conf",
        "sources",
        "destinations",
        "match",
        "networking",
        "inbound",
        "selector",
        "ports",
        "creationTime",
        "other",
    ]);
    leaf.prop_recursive(6, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|pairs| {
                let members: Map<String, Value> = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                Value::Object(members)
            }),
        ]
    })
}

fn look_at(document: &Document) {
    for profile in Profile::ALL {
        let options = Options { profile, ..Options::default() };
        let parsed = parse(document, &options);
        for problem in &parsed.problems {
            assert!(!problem.to_string().is_empty());
        }
        let _ = parse_unchecked(document, profile);
        let staged = validate_by_stage(document, &options);
        if parsed.resource.is_some() {
            assert_eq!(staged, [], "what is accepted breaks no rule");
            assert_eq!(validate(document, profile), []);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (documents, _) = read_bytes("odd", &bytes);
        documents.iter().for_each(look_at);
    }

    #[test]
    fn no_text_is_too_odd(text in scribble()) {
        for name in ["odd.yaml", "odd.json"] {
            let (documents, problems) = read(name, &text);
            documents.iter().for_each(look_at);
            for problem in problems {
                let position = problem.position.unwrap();
                prop_assert!(position.offset <= text.len() && position.line > 0 && position.column > 0);
            }
        }
    }

    #[test]
    fn no_tree_is_too_odd(tree in tree()) {
        look_at(&Document::from_value("odd", tree));
    }

    #[test]
    fn what_is_printed_reads_back(tree in tree()) {
        for text in [tree.to_string(), serde_json::to_string_pretty(&tree).unwrap()] {
            for name in ["again.yaml", "again.json"] {
                let (documents, problems) = read(name, &text);
                if tree.is_object() || tree.is_array() {
                    prop_assert_eq!(&problems, &[]);
                    prop_assert_eq!(documents[0].value(), &tree);
                }
            }
        }
    }

    #[test]
    fn a_document_means_the_same_with_and_without_positions(tree in tree()) {
        let read_back = read("again.json", &tree.to_string()).0;
        if let [document] = read_back.as_slice() && document.value().is_object() {
            let plain = Document::from_value("again.json", tree);
            for profile in [Profile::V2_5, Profile::V2_14, Profile::V3] {
                prop_assert_eq!(validate(document, profile), validate(&plain, profile));
            }
        }
    }
}

#[test]
fn every_value_has_the_position_where_it_stands() {
    let text = "a: 1\nlist:\n  - {b: \"ü\", c: x}\n  - d: |\n      text\n";
    let (documents, _) = read("f.yaml", text);
    let at = |path: meshtcp_model::FieldPath| {
        let position = documents[0].value_position(&path).unwrap();
        (position.line, position.column, &text[position.offset..position.offset + position.length])
    };
    let root = meshtcp_model::FieldPath::root();
    let item = root.field("list").index(0);
    assert_eq!(at(root.field("a")), (1, 4, "1"));
    assert_eq!(at(item.field("b")), (3, 9, "\"ü\""));
    assert_eq!(at(item.field("c")), (3, 17, "x"));
    assert_eq!(documents[0].position(&item.field("c")).unwrap().column, 14);
    assert_eq!(documents[0].position(&item.field("missing")).unwrap().line, 3);
}

#[test]
fn a_field_or_kind_of_another_profile_is_refused_with_the_profiles_that_know_it() {
    let text = "type: MeshTCPRoute\nname: r\nspec:\n  targetRef: {kind: Mesh}\n  to:\n  - targetRef: {kind: MeshService, \
                name: a, sectionName: sql}\n    rules:\n    - default: {backendRefs: [{kind: MeshService, name: b, port: \
                1}]}\n---\ntype: MeshMultiZoneService\nname: m\nspec: {}\n";
    let (documents, _) = read("old.yaml", text);
    let options = Options { profile: Profile::V2_5, ..Options::default() };
    let told: Vec<String> = documents
        .iter()
        .flat_map(|document| parse(document, &options).problems)
        .map(|p| p.to_string())
        .collect();
    for wanted in [
        "old.yaml:6:45: error: spec.to[0].targetRef.sectionName: profile 2.5 has no `sectionName` here (it is known from \
         2.8 on: choose such a profile, or remove it)",
        "old.yaml:8:60: error: spec.to[0].rules[0].default.backendRefs[0].port: profile 2.5 has no `port` here (it is \
         known from 2.7 on: choose such a profile, or remove it)",
        "old.yaml:10:1: error: profile 2.5 has no MeshMultiZoneService (it is known from 2.9 on: choose such a profile, \
         or remove it)",
    ] {
        assert!(told.iter().any(|line| line == wanted), "{wanted}\n{told:#?}");
    }
}
