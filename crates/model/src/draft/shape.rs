//! Shapes of the documents of a kind, derived from their readers: a document is made that has everything its reader
//! asks for, until the reader asks for nothing new. So the shape cannot differ from the reader.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::draft::asked::{Asked, FieldType};
use crate::draft::parse::asked;
use crate::draft::places::{insert, put};
use crate::draft::read;
use crate::draft::required::required;
use crate::kind::Kind;
use crate::profile::Profile;
use crate::violation::{FieldPath, Step};

/// Limit on depth: recursive structures would have no end.
const DEPTH: usize = 14;

/// Shape of a value. It may have several types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Types, in the words of JSON schemas: `string`, `boolean`, `integer`, `object`, `array`; none: any.
    pub types: BTreeSet<&'static str>,
    /// Allowed words of a text, or of the texts of a list; none: any.
    pub words: BTreeSet<String>,
    /// `true`: numbers may be negative.
    pub is_signed: bool,
    /// Names of the required fields of an object; only [`shape_with_required`] determines them.
    pub required: BTreeSet<String>,
    /// Fields of an object.
    pub members: BTreeMap<String, Shape>,
    /// `true`: an object may have other fields too, of any shape.
    pub is_open: bool,
    /// Shape of the items of a list.
    pub items: Option<Box<Shape>>,
}

/// Returns the shape of a document of a kind in the Universal format, by the rules of a profile; `None`: the
/// profile does not have the kind.
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
    Some(asked_for(kind, profile)?.shape())
}

/// As [`shape`], with required fields: it takes a thousand times as long.
pub fn shape_with_required(kind: Kind, profile: Profile) -> Option<Shape> {
    let all = asked_for(kind, profile)?;
    let mut shape = all.shape();
    for path in required(&all.bases, &all.found, profile) {
        if let Some((Step::Field(name), around)) = path.steps().split_last()
            && let Some(object) = shape.place(around)
        {
            object.required.insert(name.clone());
        }
    }
    Some(shape)
}

/// Fields that readers asked for.
struct AskedFor {
    found: Asked,
    /// Documents that they asked it of.
    bases: Vec<Value>,
}

fn asked_for(kind: Kind, profile: Profile) -> Option<AskedFor> {
    if !kind.window().contains(profile) {
        return None;
    }
    let mut found = Asked::default();
    let document = json!({ "type": kind.as_str(), "name": "x", "mesh": "x" });
    let mut bases = vec![filled(document, profile, &mut found)];
    vary(0, &mut bases, profile, &mut found, &mut BTreeSet::new());
    Some(AskedFor { found, bases })
}

impl AskedFor {
    fn shape(&self) -> Shape {
        let mut shape = Shape::default();
        for (path, sorts) in &self.found.0 {
            if let Some(place) = shape.place(path.steps()) {
                sorts.iter().for_each(|sort| place.add(sort));
            }
        }
        shape
    }
}

/// Asks again with each word that a field accepts and that was not tried yet: the meaning of a word decides what is
/// asked for beside it. Every document that it asks with is kept among `bases`; the one at `at` is varied.
fn vary(
    at: usize,
    bases: &mut Vec<Value>,
    profile: Profile,
    found: &mut Asked,
    tried: &mut BTreeSet<(FieldPath, String)>,
) {
    let new: Vec<_> = words(found).into_iter().filter(|word| tried.insert(word.clone())).collect();
    for (path, word) in new {
        let mut other = bases[at].clone();
        if put(&mut other, path.steps(), Value::from(word)) {
            bases.push(filled(other, profile, found));
            vary(bases.len() - 1, bases, profile, found, tried);
        }
    }
}

/// Returns a document with every object and list that its reader asks for, and records what was asked of it.
fn filled(mut document: Value, profile: Profile, found: &mut Asked) -> Value {
    loop {
        let (documents, _) = read("shape.json", &document.to_string());
        let Some(first) = documents.first() else { return document };
        let asked = asked(first, profile);
        let mut grew = false;
        for (path, sorts) in asked.0 {
            if path.steps().len() <= DEPTH {
                if sorts.contains(&FieldType::Items) {
                    grew |= insert(&mut document, path.steps(), json!([{}]));
                } else if sorts.contains(&FieldType::Object) {
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

/// Returns every word that is allowed somewhere, with its path.
fn words(found: &Asked) -> Vec<(FieldPath, String)> {
    let of = |(path, sorts): (&FieldPath, &BTreeSet<FieldType>)| {
        let words = sorts.iter().filter_map(|sort| match sort {
            FieldType::Word(words) => Some(words.clone()),
            _ => None,
        });
        words.flatten().map(|word| (path.clone(), word)).collect::<Vec<_>>()
    };
    found.0.iter().flat_map(of).collect()
}

impl Shape {
    /// Returns the shape of a field, by the names on the way to it; lists are entered implicitly.
    pub fn at(&self, names: &[&str]) -> Option<&Shape> {
        let Some((first, rest)) = names.split_first() else { return Some(self) };
        let object = self.items.as_deref().unwrap_or(self);
        object.members.get(*first)?.at(rest)
    }

    /// Returns the shape at a place, created if there is none.
    fn place(&mut self, steps: &[Step]) -> Option<&mut Shape> {
        let Some((first, rest)) = steps.split_first() else { return Some(self) };
        match first {
            Step::Field(name) => self.members.entry(name.clone()).or_default().place(rest),
            Step::Index(_) => self.items.get_or_insert_default().place(rest),
            // a key of a map is not a field
            Step::Key(_) => None,
        }
    }

    fn add(&mut self, sort: &FieldType) {
        let text = || Some(Box::new(Shape { types: ["string"].into(), ..Shape::default() }));
        let word = match sort {
            FieldType::Any => return,
            FieldType::Text => "string",
            FieldType::Word(words) => {
                self.words.extend(words.iter().cloned());
                "string"
            }
            FieldType::Words(words) => {
                let mut items = text();
                items.iter_mut().for_each(|items| items.words.extend(words.iter().cloned()));
                self.items = items;
                "array"
            }
            FieldType::Texts => {
                self.items = self.items.take().or_else(text);
                "array"
            }
            FieldType::Items => {
                self.items.get_or_insert_default().types.insert("object");
                "array"
            }
            FieldType::Flag => "boolean",
            FieldType::Whole => "integer",
            FieldType::Signed => {
                self.is_signed = true;
                "integer"
            }
            FieldType::Object => "object",
            FieldType::Map | FieldType::Open => {
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

    /// Returns the path at which an accepted document does not have the shape.
    fn misfit(value: &Value, shape: &Shape, at: &str) -> Option<String> {
        match value {
            Value::Object(object) => {
                let missing = shape.required.iter().find(|name| !object.contains_key(*name));
                let missing = missing.map(|name| format!("{at}.{name} is required"));
                missing.or_else(|| {
                    object.iter().find_map(|(name, value)| match shape.members.get(name) {
                        Some(shape) => misfit(value, shape, &format!("{at}.{name}")),
                        None if shape.is_open || shape.types.is_empty() && shape.members.is_empty() => None,
                        None => Some(format!("{at}.{name} is unknown")),
                    })
                })
            }
            Value::Array(items) => {
                let shape = shape.items.as_deref()?;
                items.iter().find_map(|item| misfit(item, shape, &format!("{at}[]")))
            }
            _ => None,
        }
    }

    #[test]
    fn what_is_accepted_has_its_shape() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
        let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = folders.filter_map(|path| std::fs::read_dir(path).ok()).flatten();
        let texts = files
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "yaml"));
        let mut texts: Vec<String> = texts.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        assert!(texts.len() > 10, "{}", texts.len());
        texts.push(
            "type: MeshTCPRollout\nmesh: default\nname: x\nspec:\n  targetRef: {kind: MeshTCPRoute, name: x}\n  \
             from: {kind: MeshService, name: x}\n  to: {kind: MeshService, name: y}\n  linear: {from: 1, to: 100, duration: 1h}\n"
                .to_owned(),
        );
        let mut shapes = BTreeMap::new();
        for text in texts {
            for document in read("x.yaml", &text).0 {
                let options = crate::draft::Options { profile: Profile::Extended, ..Default::default() };
                let Some(resource) = crate::draft::parse(&document, &options).resource else { continue };
                if document.value().get("apiVersion").is_some() {
                    continue;
                }
                let kind = resource.kind();
                let shape = shapes
                    .entry(kind)
                    .or_insert_with(|| shape_with_required(kind, Profile::Extended).unwrap());
                assert_eq!(misfit(document.value(), shape, ""), None, "{}", document.value());
            }
        }
        assert!(shapes.len() > 5, "{:?}", shapes.keys());
    }

    #[test]
    fn what_must_be_there_is_required_and_nothing_else() {
        let required = |kind, path: &str| -> Vec<String> {
            let names: Vec<&str> = path.split('.').filter(|name| !name.is_empty()).collect();
            let whole = shape_with_required(kind, Profile::V2_14).unwrap();
            let found = whole.at(&names).unwrap();
            found.items.as_deref().unwrap_or(found).required.iter().cloned().collect()
        };
        assert!(required(Kind::Dataplane, "").contains(&"networking".to_owned()));
        assert_eq!(required(Kind::Dataplane, "networking"), ["address"]);
        assert_eq!(required(Kind::MeshTCPRoute, "spec.targetRef"), ["kind"]);
        assert_eq!(required(Kind::MeshTCPRoute, "spec.to"), ["rules", "targetRef"]);
        assert_eq!(
            required(Kind::MeshTCPRollout, "spec"),
            ["from", "targetRef", "to"],
            "`linear` does in the place of `steps`"
        );
        assert_eq!(required(Kind::MeshTCPRoute, "labels"), [""; 0]);
        assert_eq!(required(Kind::MeshTCPRoute, "spec.to.rules.default.backendRefs"), ["kind"]);
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
