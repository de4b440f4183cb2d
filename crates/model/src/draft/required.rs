//! Required fields, found by leaving fields out: a field is required if its absence is an error in every document
//! that was tried, with no other fields and with all, and with any words in them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::draft::Document;
use crate::draft::asked::{Asked, FieldType};
use crate::draft::options::Options;
use crate::draft::parse::parse;
use crate::draft::places::{around, insert, with_object};
use crate::profile::Profile;
use crate::violation::{FieldPath, Severity, Step};

/// Returns the fields whose absence a checker reports if their object exists. `bases`: documents with every object
/// and list that was asked for, and no text or number except the words that they vary in.
pub(super) fn required(bases: &[Value], found: &Asked, profile: Profile) -> BTreeSet<FieldPath> {
    let is_field = |path: &&FieldPath| matches!(path.steps().last(), Some(Step::Field(_)));
    let mut missed: BTreeSet<&FieldPath> = found.0.keys().filter(is_field).collect();
    let mut tried = BTreeSet::new();
    for base in bases {
        let filled = |text| with_scalars(base.clone(), found, text);
        for document in [base.clone(), filled("x"), filled("1s")] {
            let as_it_is = errors(&document, profile);
            missed.retain(|path| match around(&document, path.steps()) {
                // without its container its absence means nothing
                None => true,
                Some(object) => {
                    tried.insert(*path);
                    match object.get(name(path)) {
                        None => is_among(path, &as_it_is),
                        Some(_) => is_among(path, &errors(&without(&document, path), profile)),
                    }
                }
            });
        }
    }
    missed.intersection(&tried).map(|path| (*path).clone()).collect()
}

/// Returns the paths at which a checker finds errors.
fn errors(document: &Value, profile: Profile) -> Vec<FieldPath> {
    let options = Options { profile, ..Options::default() };
    let parsed = parse(&Document::from_value("required.json", document.clone()), &options);
    let errors = parsed.problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| problem.violation.path.clone()).collect()
}

/// Returns `true` if an error is about a field, or something inside it.
fn is_among(path: &FieldPath, errors: &[FieldPath]) -> bool {
    errors.iter().any(|error| error.steps().starts_with(path.steps()))
}

fn name(path: &FieldPath) -> &str {
    match path.steps().last() {
        Some(Step::Field(name)) => name,
        Some(Step::Key(_) | Step::Index(_)) | None => "",
    }
}

fn without(document: &Value, path: &FieldPath) -> Value {
    let mut document = document.clone();
    with_object(&mut document, path.steps(), |object, name| object.remove(name).is_some());
    document
}

/// Returns the document with a value in each missing field that was asked for: this text, or numbers in ascending
/// order.
fn with_scalars(mut document: Value, found: &Asked, text: &str) -> Value {
    let mut number = 0;
    for (path, sorts) in &found.0 {
        number = number % 90 + 1;
        let value = sorts.iter().find_map(|sort| match sort {
            FieldType::Word(words) => words.first().map(|word| json!(word)),
            FieldType::Words(words) => words.first().map(|word| json!([word])),
            FieldType::Flag => Some(json!(true)),
            FieldType::Whole | FieldType::Signed | FieldType::Any => Some(json!(number)),
            FieldType::Texts => Some(json!(["x"])),
            FieldType::Map => Some(json!({ "x": "x" })),
            FieldType::Text | FieldType::Object | FieldType::Items | FieldType::Open => None,
        });
        let text = || sorts.contains(&FieldType::Text).then(|| json!(text));
        if let Some(value) = value.or_else(text) {
            insert(&mut document, path.steps(), value);
        }
    }
    document
}
