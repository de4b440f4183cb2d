//! Schema stage of MeshTCPRoute: types, required fields and sizes, before any rule (spec 02 §2).

use Schema::*;
use serde_json::Value;

use crate::draft::Document;
use crate::draft::kept::Kept;
use crate::draft::policy::written_ref::{
    LABELS, MESH, NAME, NAMESPACE, PORT, PROXY_TYPES, SECTION_NAME, TAGS,
};
use crate::profile::Profile;
use crate::violation::{FieldPath, Violation};

/// Schema of a value.
enum Schema {
    Text,
    /// Text that is one of these, listed in this order.
    OneOf(&'static [&'static str]),
    /// Non-negative whole number.
    Whole,
    /// Object whose values are texts.
    Texts,
    List(Box<Schema>, Size),
    Object(Vec<(&'static str, Schema, Need)>),
}

#[derive(Clone, Copy)]
enum Size {
    Any,
    AtLeastOne,
    AtMostOne,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

use Need::{Optional, Required};

/// Returns the violations of the schema of MeshTCPRoute in the document. Unknown fields are ignored.
pub(crate) fn check(document: &Document, profile: Profile) -> Kept<Violation> {
    let mut errors = Errors::default();
    let root = document.value();
    errors.check(root, &envelope(root, profile), FieldPath::root(), "");
    errors.0
}

fn envelope(root: &Value, profile: Profile) -> Schema {
    let spec = ("spec", spec(profile), Optional);
    if root.get("type").is_none() {
        return Object(vec![spec]);
    }
    Object(vec![
        ("type", OneOf(&["MeshTCPRoute"]), Required),
        ("name", Text, Optional),
        ("mesh", Text, Optional),
        ("labels", Texts, Optional),
        spec,
    ])
}

fn spec(profile: Profile) -> Schema {
    let need = |required: bool| if required { Required } else { Optional };
    let newer = profile.has_schema_defaults();
    let mut backend = reference(profile.schema_backend_kinds(), profile);
    backend.push(("weight", Whole, Optional));
    if PORT.1.contains(profile) {
        backend.push(("port", Whole, Optional));
    }
    let backends = List(Box::new(Object(backend)), if newer { Size::Any } else { Size::AtLeastOne });
    let rule = Object(vec![("default", Object(vec![("backendRefs", backends, need(!newer))]), Required)]);
    let rules = if profile.has_connection_matches() { Size::Any } else { Size::AtMostOne };
    let to = Object(vec![
        ("targetRef", Object(reference(profile.schema_to_kinds(), profile)), Required),
        ("rules", List(Box::new(rule), rules), need(newer)),
    ]);
    let top = Object(reference(profile.schema_top_kinds(), profile));
    Object(vec![
        ("targetRef", top, need(profile.requires_top_target())),
        ("to", List(Box::new(to), Size::AtLeastOne), Optional),
    ])
}

fn reference(kinds: &'static [&'static str], profile: Profile) -> Vec<(&'static str, Schema, Need)> {
    let kind = ("kind", OneOf(kinds), if profile.has_schema_defaults() { Required } else { Optional });
    let fields = [
        (NAME, Text),
        (MESH, Text),
        (NAMESPACE, Text),
        (SECTION_NAME, Text),
        (TAGS, Texts),
        (LABELS, Texts),
        (PROXY_TYPES, List(Box::new(OneOf(&["Sidecar", "Gateway"])), Size::Any)),
    ];
    let known = fields.into_iter().filter(|((_, window), _)| window.contains(profile));
    std::iter::once(kind).chain(known.map(|((name, _), schema)| (name, schema, Optional))).collect()
}

#[derive(Default)]
struct Errors(Kept<Violation>);

impl Errors {
    /// `written`: the path in the words of the schema validator, which joins map keys by dots.
    fn check(&mut self, value: &Value, schema: &Schema, path: FieldPath, written: &str) {
        match (schema, value) {
            (Text, Value::String(_)) => {}
            (OneOf(words), Value::String(text)) => {
                if !words.contains(&text.as_str()) {
                    self.add(path, written, format!("in body should be one of [{}]", words.join(" ")));
                }
            }
            (Whole, Value::Number(number)) => {
                let whole =
                    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0);
                if !whole {
                    self.add(path, written, "in body must be of type integer: \"number\"".into());
                } else if number.as_f64().is_some_and(|number| number < 0.0) {
                    self.add(path, written, "in body should be greater than or equal to 0".into());
                }
            }
            (Texts, Value::Object(members)) => {
                for (key, member) in members {
                    self.check(member, &Text, path.key(key), &join(written, key));
                }
            }
            (List(of, size), Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.check(item, of, path.index(at), &format!("{written}[{at}]"));
                }
                match size {
                    Size::AtLeastOne if items.is_empty() => {
                        self.add(path, written, "in body should have at least 1 items".into());
                    }
                    Size::AtMostOne if items.len() > 1 => {
                        self.add(path, written, "in body should have at most 1 items".into());
                    }
                    Size::Any | Size::AtLeastOne | Size::AtMostOne => {}
                }
            }
            (Object(fields), Value::Object(members)) => {
                for (name, schema, need) in fields {
                    let below = join(written, name);
                    match members.get(*name) {
                        Some(member) => self.check(member, schema, path.field(*name), &below),
                        None if *need == Required => {
                            self.add(path.field(*name), &below, "in body is required".into());
                        }
                        None => {}
                    }
                }
            }
            (schema, value) => {
                let message = format!("in body must be of type {}: \"{}\"", schema.name(), json_type(value));
                self.add(path, written, message);
            }
        }
    }

    /// Adds a violation. A sentence about something under `spec` has a field; other sentences are kept whole (spec
    /// 02 §2.1).
    fn add(&mut self, path: FieldPath, written: &str, message: String) {
        let (field, message) = if written.starts_with("spec.") {
            (written.to_owned(), message)
        } else {
            (String::new(), format!("{written} {message}"))
        };
        self.0.push(Violation { field, message, path });
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl Schema {
    fn name(&self) -> &'static str {
        match self {
            Text | OneOf(_) => "string",
            Whole => "integer",
            List(..) => "array",
            Texts | Object(_) => "object",
        }
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
