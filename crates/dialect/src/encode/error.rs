//! Encoding errors: the place where a tree is not the message that it says it is, and why.

use std::fmt;

use prost_reflect::MessageDescriptor;
use serde_json::Value;

/// Error: a tree does not fit its message. The tree is ours, so this is a mistake of the dialect or of a proxy
/// template, never of an operator; retrying does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", Location(.path))]
pub struct EncodeError {
    /// Path, e.g. `filterChains[0].filters[1].typedConfig.statPrefix`; empty for the resource itself.
    pub path: String,
    /// Problem at the path.
    pub problem: Problem,
}

/// Reason why a tree does not fit its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The object needs a text member `@type`.
    #[error("has no `@type`")]
    NoType,
    /// The descriptor set does not have the type.
    #[error("the type `{0}` is not known here; add its file to ROOTS in xtask/descriptors")]
    UnknownType(String),
    /// The message has no such field.
    #[error("`{message}` has no field `{field}`")]
    UnknownField {
        /// Full name of the message.
        message: String,
        /// Name of the member.
        field: String,
    },
    /// A field is set under both of its spellings.
    #[error("is set twice, also as `{0}`")]
    Twice(String),
    /// Two members of one alternative are set.
    #[error("cannot be set together with `{0}`")]
    OneOf(String),
    /// The value has another shape than the field.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// Values that the field accepts.
        expected: String,
        /// Value in the tree, shortened.
        found: String,
    },
}

struct Location<'a>(&'a str);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// Path from the resource to a value; formatted only for an error.
pub(super) enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    pub(super) fn member<'a>(&'a self, name: &'a str) -> Path<'a> {
        Path::Member(self, name)
    }

    pub(super) fn item(&self, index: usize) -> Path<'_> {
        Path::Item(self, index)
    }

    pub(super) fn error(&self, problem: Problem) -> EncodeError {
        EncodeError { path: self.to_string(), problem }
    }

    pub(super) fn expected(&self, expected: impl Into<String>, found: &Value) -> EncodeError {
        let mut text = found.to_string();
        if let Some((end, _)) = text.char_indices().nth(60) {
            text.truncate(end);
            text.push('…');
        }
        self.error(Problem::Expected { expected: expected.into(), found: format!("`{text}`") })
    }

    pub(super) fn unknown_field(&self, field: &str, message: &MessageDescriptor) -> EncodeError {
        let problem =
            Problem::UnknownField { message: message.full_name().to_owned(), field: field.to_owned() };
        self.member(field).error(problem)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Member(Path::Root, name) => f.write_str(name),
            Path::Member(parent, name) => write!(f, "{parent}.{name}"),
            Path::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
