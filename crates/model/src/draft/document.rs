//! Documents: trees of values, with the position of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::draft::source::{Source, Spot};
use crate::kind::{Body, Kind};
use crate::problems::Problems;
use crate::violation::{FieldPath, Position, Problem, Severity, Step, Violation};

/// Document as written, before it is interpreted.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    source: Arc<Source>,
    value: Value,
    place: Place,
    broken: bool,
}

/// Position of a value, and of the values below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place {
    /// Position of the key in front of the value, for a member of an object.
    pub(crate) key: Option<Spot>,
    /// Position of the value itself.
    pub(crate) value: Spot,
    pub(crate) below: Children,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Children {
    #[default]
    Nothing,
    Members(BTreeMap<String, Place>),
    Items(Vec<Place>),
}

/// State of reading a source.
pub(crate) struct Reading {
    pub(crate) source: Arc<Source>,
    pub(crate) documents: Vec<Document>,
    pub(crate) problems: Problems,
}

impl Reading {
    pub(super) fn of(source: Source) -> Self {
        Self { source: Arc::new(source), documents: Vec::new(), problems: Problems::default() }
    }

    /// Adds a document; of a list, as `kubectl get -o yaml` and `kumactl get -o yaml` print it, each item.
    pub(crate) fn document(&mut self, value: Value, place: Place, broken: bool) {
        let mut push = |mut value: Value, place: Place| {
            keep_texts(&mut value, &place, &self.source);
            self.documents.push(Document { source: self.source.clone(), value, place, broken });
        };
        match (value, place) {
            (Value::Object(mut members), Place { below: Children::Members(mut places), .. })
                if is_list(&members) =>
            {
                let items = members.remove("items").unwrap_or_default();
                let below = places.remove("items").unwrap_or_default().below;
                if let (Value::Array(items), Children::Items(places)) = (items, below) {
                    items.into_iter().zip(places).for_each(|(value, place)| push(value, place));
                }
            }
            (value, place) => push(value, place),
        }
    }

    pub(crate) fn problem(&mut self, spot: Spot, message: impl Into<String>, help: Option<&str>) {
        let source = &self.source.name;
        self.problems.push_with(source, Severity::Error, || Problem {
            source: self.source.name.clone(),
            position: Some(self.source.position(spot)),
            severity: Severity::Error,
            resource: None,
            violation: Violation::new(FieldPath::root(), message),
            help: help.map(str::to_owned),
        });
    }
}

/// Keeps the text of labels and tags that look like numbers: `version: 1.10` is a name, and 1.1 is another one.
/// Fields that must be text in every release are left as they are: an error is reported for them.
fn keep_texts(document: &mut Value, place: &Place, source: &Source) {
    let kind =
        document.get("type").or(document.get("kind")).and_then(Value::as_str).and_then(Kind::from_text);
    let Some(kind) = kind else { return };
    let (Value::Object(members), Children::Members(places)) = (document, &place.below) else { return };
    for (name, member) in members {
        let Some(place) = places.get(name) else { continue };
        match name.as_str() {
            "labels" => texts(member, place, source),
            "metadata" => texts_in(member, place, source, &["labels", "annotations"]),
            _ if kind.body() == Body::Inline => texts_in(member, place, source, &["tags"]),
            _ => {}
        }
    }
}

/// Does so in every map with one of these names.
fn texts_in(value: &mut Value, place: &Place, source: &Source, names: &[&str]) {
    match (value, &place.below) {
        (Value::Object(members), Children::Members(places)) => {
            for (name, member) in members {
                let Some(place) = places.get(name) else { continue };
                match names.contains(&name.as_str()) {
                    true => texts(member, place, source),
                    false => texts_in(member, place, source, names),
                }
            }
        }
        (Value::Array(items), Children::Items(places)) => {
            items.iter_mut().zip(places).for_each(|(item, place)| texts_in(item, place, source, names));
        }
        _ => {}
    }
}

/// Converts the numbers of a map to their text.
fn texts(map: &mut Value, place: &Place, source: &Source) {
    let (Value::Object(members), Children::Members(places)) = (map, &place.below) else { return };
    for (name, value) in members {
        let written = places.get(name).and_then(|place| source.written(place.value));
        if let (Value::Number(_), Some(written)) = (&*value, written.filter(|text| !text.is_empty())) {
            *value = Value::String(written.to_owned());
        }
    }
}

fn is_list(members: &serde_json::Map<String, Value>) -> bool {
    let kind = members.get("kind").and_then(Value::as_str);
    let is_named = kind.is_some_and(|kind| kind.ends_with("List"));
    // any other object is a response of the API; a resource has `type` or `kind`
    let is_nameless = !members.contains_key("type") && kind.is_none();
    members.get("items").is_some_and(Value::is_array) && (is_named || is_nameless)
}

impl Document {
    /// Creates a document from a tree, not from text: it has no positions.
    pub fn from_value(source: &str, value: Value) -> Self {
        Self { source: Arc::new(Source::new(source, "")), value, place: Place::default(), broken: false }
    }

    /// Returns the document with another tree, for values computed from it: what was written keeps its position.
    #[must_use]
    pub fn saying(&self, value: Value) -> Self {
        Self { value, ..self.clone() }
    }

    /// Name of the text that it came from.
    pub fn source(&self) -> &Arc<str> {
        &self.source.name
    }

    /// Whole tree, with the members of objects in the order of the text.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns `true` if reading it found an error that [`read`](super::read) already reported; no resource is made
    /// of it then.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Position at which the document begins; `None`: it did not come as text.
    pub fn start(&self) -> Option<Position> {
        (!self.source.text.is_empty()).then(|| self.source.position(self.place.value))
    }

    /// Line at which the document begins; `None`: it did not come as text.
    pub fn line(&self) -> Option<usize> {
        (!self.source.text.is_empty()).then(|| self.source.line(self.place.value.offset))
    }

    /// Returns the position of a value: of its key, if it is a member of an object. A path that leads nowhere gives
    /// the position of the last step that exists, so a missing field is shown at the object that lacks it.
    pub fn position(&self, path: &FieldPath) -> Option<Position> {
        let place = self.place.nearest(path);
        (!self.source.text.is_empty()).then(|| self.source.position(place.key.unwrap_or(place.value)))
    }

    /// Returns the position of a value itself, not of its key; otherwise as [`Document::position`].
    pub fn value_position(&self, path: &FieldPath) -> Option<Position> {
        let place = self.place.nearest(path);
        (!self.source.text.is_empty()).then(|| self.source.position(place.value))
    }

    /// Returns the text of a plain value as written: `1.10` where the tree only has the number 1.1.
    pub(crate) fn written(&self, path: &FieldPath) -> Option<&str> {
        self.source.written(self.place.exact(path)?.value).filter(|text| !text.is_empty())
    }
}

impl Place {
    fn step(&self, step: &Step) -> Option<&Place> {
        match (step, &self.below) {
            (Step::Field(name) | Step::Key(name), Children::Members(members)) => members.get(name),
            (Step::Index(index), Children::Items(items)) => items.get(*index),
            (Step::Field(_) | Step::Key(_) | Step::Index(_), _) => None,
        }
    }

    fn nearest(&self, path: &FieldPath) -> &Place {
        let mut place = self;
        for step in path.steps() {
            let Some(next) = place.step(step) else { break };
            place = next;
        }
        place
    }

    fn exact(&self, path: &FieldPath) -> Option<&Place> {
        path.steps().iter().try_fold(self, Place::step)
    }
}
