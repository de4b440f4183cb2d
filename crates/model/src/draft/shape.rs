//! What a document of a kind may say, found out from those who read it: a document is made that has all that its reader asks for,
//! until the reader asks for nothing new. So the shape is the reader's own, and cannot be another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::draft::asked::{Asked, Sort};
use crate::draft::parse::asked;
use crate::draft::read;
use crate::kind::Kind;
use crate::profile::Profile;
use crate::violation::{FieldPath, Step};

/// Deeper than this nothing is looked for: what may contain itself would have no end.
const DEPTH: usize = 14;

/// What a value may be. More than one of them may be said of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// What it may be, in the words of JSON schemas: `string`, `boolean`, `integer`, `object`, `array`; none: anything.
    pub types: BTreeSet<&'static str>,
    /// The words that a text, or the texts of a list, may be; none: any.
    pub words: BTreeSet<String>,
    /// Whether numbers may be negative.
    pub is_signed: bool,
    /// The fields of an object.
    pub members: BTreeMap<String, Shape>,
    /// Whether an object may have other fields, too; they may be anything.
    pub is_open: bool,
    /// What the items of a list may be.
    pub items: Option<Box<Shape>>,
}

/// What a document of a kind may say in the Universal format, by the rules of a profile; `None`: the profile does not have the
/// kind.
///
/// ```
/// use meshtcp_model::draft::shape;
/// use meshtcp_model::{Kind, Profile};
///
/// let route = shape(Kind::MeshTCPRoute, Profile::V2_14).unwrap();
/// let backend = route.at(&["spec", "to", "rules", "default", "backendRefs"]).unwrap();
/// let item = backend.items.as_ref().unwrap();
/// assert!(item.at(&["weight"]).unwrap().types.contains("integer"));
/// assert!(item.at(&["weigth"]).is_none());
/// ```
pub fn shape(kind: Kind, profile: Profile) -> Option<Shape> {
    if !kind.window().contains(profile) {
        return None;
    }
    let mut found = Asked::default();
    let document = json!({ "type": kind.as_str(), "name": "x", "mesh": "x" });
    let full = filled(document, profile, &mut found);
    vary(&full, profile, &mut found, &mut BTreeSet::new());
    let mut shape = Shape::default();
    for (path, sorts) in &found.0 {
        if let Some(place) = shape.place(path.steps()) {
            sorts.iter().for_each(|sort| place.add(sort));
        }
    }
    Some(shape)
}

/// Asks anew with each word that a field takes and that was not tried yet: what a word means decides what is asked for beside it.
fn vary(full: &Value, profile: Profile, found: &mut Asked, tried: &mut BTreeSet<(FieldPath, String)>) {
    let new: Vec<_> = words(found).into_iter().filter(|word| tried.insert(word.clone())).collect();
    for (path, word) in new {
        let mut other = full.clone();
        if put(&mut other, path.steps(), Value::from(word)) {
            let full = filled(other, profile, found);
            vary(&full, profile, found, tried);
        }
    }
}

/// A document with every object and list that its reader asks for, and what was asked of it.
fn filled(mut document: Value, profile: Profile, found: &mut Asked) -> Value {
    loop {
        let (documents, _) = read("shape.json", &document.to_string());
        let Some(first) = documents.first() else { return document };
        let asked = asked(first, profile);
        let mut grew = false;
        for (path, sorts) in asked.0 {
            if path.steps().len() <= DEPTH {
                if sorts.contains(&Sort::Items) {
                    grew |= insert(&mut document, path.steps(), json!([{}]));
                } else if sorts.contains(&Sort::Object) {
                    grew |= insert(&mut document, path.steps(), json!({}));
                }
            }
            found.0.entry(path).or_default().extend(sorts);
        }
        if !grew {
            return document;
        }
    }
}

/// Every word that may stand somewhere.
fn words(found: &Asked) -> Vec<(FieldPath, String)> {
    let of = |(path, sorts): (&FieldPath, &BTreeSet<Sort>)| {
        let words = sorts.iter().filter_map(|sort| match sort {
            Sort::Word(words) => Some(words.clone()),
            _ => None,
        });
        words.flatten().map(|word| (path.clone(), word)).collect::<Vec<_>>()
    };
    found.0.iter().flat_map(of).collect()
}

/// Puts a value where there is none, in an object that is there. Returns whether it did.
fn insert(document: &mut Value, steps: &[Step], value: Value) -> bool {
    with_object(document, steps, |object, name| {
        let is_new = object.get(name).is_none_or(Value::is_null);
        if is_new {
            object.insert(name.to_owned(), value);
        }
        is_new
    })
}

/// Puts a value, in an object that is there. Returns whether there is one.
fn put(document: &mut Value, steps: &[Step], value: Value) -> bool {
    with_object(document, steps, |object, name| {
        object.insert(name.to_owned(), value);
        true
    })
}

fn with_object(
    document: &mut Value,
    steps: &[Step],
    change: impl FnOnce(&mut Map<String, Value>, &str) -> bool,
) -> bool {
    let Some((Step::Field(name), around)) = steps.split_last() else { return false };
    let around = around.iter().try_fold(document, |value, step| match step {
        Step::Field(name) | Step::Key(name) => value.get_mut(name),
        Step::Index(at) => value.get_mut(at),
    });
    around.and_then(Value::as_object_mut).is_some_and(|object| change(object, name))
}

impl Shape {
    /// The shape of a field, by the names on the way to it; lists are walked into by themselves.
    pub fn at(&self, names: &[&str]) -> Option<&Shape> {
        let Some((first, rest)) = names.split_first() else { return Some(self) };
        let object = self.items.as_deref().unwrap_or(self);
        object.members.get(*first)?.at(rest)
    }

    /// The place of a field, made where there is none.
    fn place(&mut self, steps: &[Step]) -> Option<&mut Shape> {
        let Some((first, rest)) = steps.split_first() else { return Some(self) };
        match first {
            Step::Field(name) => self.members.entry(name.clone()).or_default().place(rest),
            Step::Index(_) => self.items.get_or_insert_default().place(rest),
            // a key of a map is no field
            Step::Key(_) => None,
        }
    }

    fn add(&mut self, sort: &Sort) {
        let text = || Some(Box::new(Shape { types: ["string"].into(), ..Shape::default() }));
        let word = match sort {
            Sort::Any => return,
            Sort::Text => "string",
            Sort::Word(words) => {
                self.words.extend(words.iter().cloned());
                "string"
            }
            Sort::Words(words) => {
                let mut items = text();
                items.iter_mut().for_each(|items| items.words.extend(words.iter().cloned()));
                self.items = items;
                "array"
            }
            Sort::Texts => {
                self.items = self.items.take().or_else(text);
                "array"
            }
            Sort::Items => {
                self.items.get_or_insert_default().types.insert("object");
                "array"
            }
            Sort::Flag => "boolean",
            Sort::Whole => "integer",
            Sort::Signed => {
                self.is_signed = true;
                "integer"
            }
            Sort::Object => "object",
            Sort::Map | Sort::Open => {
                self.is_open = true;
                "object"
            }
        };
        self.types.insert(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_every_profile_has_a_shape() {
        for profile in Profile::ALL {
            for &kind in Kind::ALL {
                let shape = shape(kind, profile);
                assert_eq!(shape.is_some(), kind.window().contains(profile), "{kind} {profile}");
                let Some(shape) = shape else { continue };
                for field in ["type", "name", "labels"] {
                    assert!(shape.at(&[field]).is_some(), "{kind} {profile} has no {field}");
                }
            }
        }
    }

    #[test]
    fn a_shape_has_what_only_some_words_and_some_profiles_allow() {
        let of = |kind, profile, path: &str| {
            let names: Vec<&str> = path.split('.').collect();
            shape(kind, profile).unwrap().at(&names).cloned()
        };
        let route = |profile, path| of(Kind::MeshTCPRoute, profile, path);
        assert!(route(Profile::V2_14, "spec.to.rules.default.backendRefs.weight").is_some());
        assert!(
            route(Profile::V3, "spec.targetRef.tags").is_none()
                && route(Profile::V2_6, "spec.targetRef.tags").is_some()
        );
        let inbound = of(Kind::Dataplane, Profile::V2_14, "networking.inbound").unwrap();
        assert!(
            inbound.types.contains("array")
                && inbound.items.unwrap().at(&["port"]).unwrap().types.contains("integer")
        );
        let balancing =
            of(Kind::MeshLoadBalancingStrategy, Profile::V2_14, "spec.to.default.loadBalancer.type").unwrap();
        assert!(balancing.words.contains("RingHash"), "{balancing:?}");
    }
}
