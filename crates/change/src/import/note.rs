//! Notes about losses of an import, and refusals because of them.

use std::fmt;

use model::FieldPath;
use model::draft::Document;
use serde::Serialize;
use serde_json::Value;

/// Note about a loss, or a point to check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Place: `file:line`; empty: the document was not read from text.
    pub place: String,
    /// Document, as `Kind namespace/name`.
    pub document: String,
    /// Field; empty: the document as a whole.
    pub field: String,
    /// Consequence, in words.
    pub text: String,
    /// `true`: no route is made of the document because of it, as it would take other connections than the source does.
    pub refused: bool,
}

impl fmt::Display for Note {
    /// `routes.yaml:7: TCPRoute shop/redis: spec.rules[1]: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, document, field, text, refused: _ } = self;
        for part in [place, document, field].into_iter().filter(|part| !part.is_empty()) {
            write!(f, "{part}: ")?;
        }
        f.write_str(text)
    }
}

/// Imported document, as notes name it.
#[derive(Clone, Debug)]
pub(super) struct Origin<'a> {
    document: &'a Document,
    /// Name of the document.
    pub(super) name: String,
    /// Namespace of the document; empty: none.
    pub(super) namespace: String,
}

impl<'a> Origin<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let text = |pointer: &str| {
            document.value().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self { document, name: text("/metadata/name"), namespace: text("/metadata/namespace") }
    }

    /// Kind in the document.
    pub(super) fn kind(&self) -> &'a str {
        let value = self.document.value();
        value.get("kind").or_else(|| value.get("type")).and_then(Value::as_str).unwrap_or_default()
    }

    /// API group of the document; empty: none.
    pub(super) fn group(&self) -> &'a str {
        let version = self.document.value().get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        version.split_once('/').map_or("", |(group, _)| group)
    }

    pub(super) fn spec(&self) -> &'a Value {
        self.document.value().get("spec").unwrap_or(&Value::Null)
    }

    /// Note about a field, which is written as in `spec.rules[0].backendRefs[1]`.
    pub(super) fn note(&self, field: &str, text: impl Into<String>) -> Note {
        let Self { document, name, namespace } = self;
        let position = document.position(&path(field)).or_else(|| document.start());
        let place = position.map(|at| format!("{}:{}", document.source(), at.line)).unwrap_or_default();
        let slash = if namespace.is_empty() { "" } else { "/" };
        Note {
            place,
            document: format!("{} {namespace}{slash}{name}", self.kind()).trim().to_owned(),
            field: field.to_owned(),
            text: text.into(),
            refused: false,
        }
    }

    /// Note about a field that prevents a route.
    pub(super) fn refusal(&self, field: &str, text: impl Into<String>) -> Note {
        Note { refused: true, ..self.note(field, text) }
    }

    /// Notes about the members of an object that are not known.
    pub(super) fn unknown(&self, value: &Value, field: &str, known: &[&str]) -> Vec<Note> {
        let members = value.as_object().into_iter().flatten();
        let others = members.filter(|(key, _)| !known.contains(&key.as_str()));
        others.map(|(key, _)| self.note(&format!("{field}.{key}"), "has no counterpart: left out")).collect()
    }
}

/// Import of one document.
pub(super) struct Import<'a, 'n, K> {
    pub(super) origin: Origin<'a>,
    /// What other documents say.
    pub(super) known: &'n K,
    pub(super) notes: &'n mut Vec<Note>,
    /// `true`: something prevents any route from being made.
    pub(super) refused: bool,
}

impl<'a, 'n, K> Import<'a, 'n, K> {
    pub(super) fn new(origin: Origin<'a>, known: &'n K, notes: &'n mut Vec<Note>) -> Self {
        Self { origin, known, notes, refused: false }
    }

    pub(super) fn note(&mut self, field: &str, text: impl Into<String>) {
        self.notes.push(self.origin.note(field, text));
    }

    pub(super) fn refuse(&mut self, field: &str, text: impl Into<String>) {
        self.notes.push(self.origin.refusal(field, text));
        self.refused = true;
    }

    /// Adds notes about unknown members of an object.
    pub(super) fn unknown(&mut self, value: &Value, field: &str, known: &[&str]) {
        self.notes.extend(self.origin.unknown(value, field, known));
    }
}

/// Parses a field path from our own code.
fn path(field: &str) -> FieldPath {
    field.split(['.', '[']).filter(|step| !step.is_empty()).fold(FieldPath::root(), |path, step| {
        match step.strip_suffix(']').map(str::parse) {
            Some(Ok(index)) => path.index(index),
            _ => path.field(step),
        }
    })
}
