//! Meshes, dataplanes, services, gateways and zones, as data: `topology/accepted` has documents with every field of
//! a kind, and the resources they become; `topology/refused` has the violations of others, profile by profile.

#![allow(clippy::unwrap_used)] // a test may fail

use std::fs;
use std::path::Path;

use meshtcp_model::Profile;
use meshtcp_model::draft::{self, Document, Options};
use serde_json::Value;

#[test]
fn everything_that_a_kind_may_say_is_known_and_means_something() {
    insta::glob!("topology/accepted/*.yaml", |path| {
        let (documents, problems) = read(path);
        assert_eq!(problems, [], "{}", path.display());
        let mut resources = Vec::new();
        for document in &documents {
            // The first line of a document may name the profile that it is for.
            let profile = document.value().get("labels").and_then(|labels| labels.get("profile"));
            let profile = profile.map_or_else(Profile::default, profile_of);
            let parsed = draft::parse(document, &Options { profile, ..Options::default() });
            assert_eq!(parsed.problems, [], "{}", path.display());
            resources.push(parsed.resource.unwrap().spec().clone());
        }
        insta::assert_debug_snapshot!(resources);
    });
}

#[test]
fn what_breaks_a_rule_is_refused_in_the_words_of_the_reference() {
    insta::glob!("topology/refused/*.yaml", |path| {
        let (cases, problems) = read(path);
        assert_eq!(problems, [], "{}", path.display());
        for case in &cases {
            let text = |name: &str| case.value().get(name).and_then(Value::as_str).unwrap_or_default();
            let resource = serde_json::to_string(case.value().get("resource").unwrap()).unwrap();
            let (documents, _) = draft::read("resource.json", &resource);
            let expected: Vec<&str> = text("refused").lines().collect();
            for profile in text("profiles").split_whitespace() {
                let violations = draft::validate(documents.first().unwrap(), profile.parse().unwrap());
                let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
                assert_eq!(violations, expected, "{}: {} ({profile})", path.display(), text("case"));
            }
        }
    });
}

fn read(path: &Path) -> (Vec<Document>, meshtcp_model::Problems) {
    draft::read(&path.display().to_string(), &fs::read_to_string(path).unwrap())
}

fn profile_of(text: &Value) -> Profile {
    text.as_str().unwrap().parse().unwrap()
}
