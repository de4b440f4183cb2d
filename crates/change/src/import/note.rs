//! What could not be carried over, and what was refused for it.

use std::fmt;

use model::FieldPath;
use model::draft::Document;
use serde::Serialize;
use serde_json::Value;

/// One thing that could not be carried over, or that should be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Where: `file:line`; empty when the document did not come as text.
    pub place: String,
    /// The document, as `Kind namespace/name`.
    pub document: String,
    /// The field; empty for the document as a whole.
    pub field: String,
    /// What became of it, in words.
    pub text: String,
    /// Whether no route is made of the document because of it: one would take other connections than the source does.
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

/// A document that is imported, as notes name it.
#[derive(Clone, Debug)]
pub(super) struct Origin<'a> {
    document: &'a Document,
    /// Its name.
    pub(super) name: String,
    /// Its namespace; empty where it does not say.
    pub(super) namespace: String,
}

impl<'a> Origin<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let text = |pointer: &str| {
            document.value().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self { document, name: text("/metadata/name"), namespace: text("/metadata/namespace") }
    }

    /// The kind that it says it is.
    pub(super) fn kind(&self) -> &'a str {
        let value = self.document.value();
        value.get("kind").or_else(|| value.get("type")).and_then(Value::as_str).unwrap_or_default()
    }

    /// The group of its API; empty where it does not say.
    pub(super) fn group(&self) -> &'a str {
        let version = self.document.value().get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        version.split_once('/').map_or("", |(group, _)| group)
    }

    pub(super) fn spec(&self) -> &'a Value {
        self.document.value().get("spec").unwrap_or(&Value::Null)
    }

    /// A note about a field, which is written as in `spec.rules[0].backendRefs[1]`.
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

    /// The same of what no route can be made of.
    pub(super) fn refusal(&self, field: &str, text: impl Into<String>) -> Note {
        Note { refused: true, ..self.note(field, text) }
    }
}

/// Reads a path that was written by us.
fn path(field: &str) -> FieldPath {
    field.split(['.', '[']).filter(|step| !step.is_empty()).fold(FieldPath::root(), |path, step| {
        match step.strip_suffix(']').map(str::parse) {
            Some(Ok(index)) => path.index(index),
            _ => path.field(step),
        }
    })
}
