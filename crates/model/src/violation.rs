//! What is wrong, where, and what to do. A list, never only the first.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Where in a document: `spec.to[0].rules[0].default.backendRefs[1].weight`.
///
/// Kept as steps, so that a position can be looked up; printed the way the reference prints it (spec 02).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Step>);

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A field of an object: `.name`.
    Field(String),
    /// A key of a map, which may hold any text: `["kuma.io/service"]`.
    Key(String),
    /// An item of a list: `[3]`.
    Index(usize),
}

impl FieldPath {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// A field below this path.
    pub fn field(&self, name: impl Into<String>) -> Self {
        self.with(Step::Field(name.into()))
    }

    /// A map key below this path.
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// A list item below this path.
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// This path, and those of everything that contains it, innermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = FieldPath> + '_ {
        (0..=self.0.len()).rev().filter_map(|end| Some(Self(self.0.get(..end)?.to_vec())))
    }

    /// The steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if at == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[\"{key}\"]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One broken rule: the pair that the reference answers with (spec 02).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Violation {
    /// The field, as text; empty for the whole document.
    pub field: String,
    /// What is wrong, in the reference's words where it has any.
    pub message: String,
    /// The field as steps, for its position.
    pub path: FieldPath,
}

impl Violation {
    /// A violation at a path, whose text form is the path's.
    pub fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { field: path.to_string(), message: message.into(), path }
    }
}

impl fmt::Display for Violation {
    /// `<field>: <message>`, as the reference joins them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

/// How bad a problem is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something the operator should know; it stops nothing.
    Warning,
    /// The document is not accepted.
    Error,
}

impl fmt::Display for Severity {
    /// `warning` or `error`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// A position in a source text. Lines and columns count from 1, columns in characters; the offset is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// The byte offset.
    pub offset: usize,
    /// The length in bytes of what stands there; 0 where unknown.
    pub length: usize,
}

/// One thing to tell the operator about a source: what, where, why, what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// The file, or another name of where the text came from.
    pub source: Arc<str>,
    /// Where in the source; absent when it concerns no single place.
    pub position: Option<Position>,
    /// How bad it is.
    pub severity: Severity,
    /// The resource it concerns, as `Kind mesh/name`, where that much could be read.
    pub resource: Option<String>,
    /// Which field, and what is wrong with it.
    pub violation: Violation,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    /// One line: `file:line:column: error: field: message (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        if let Some(Position { line, column, .. }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}: {}", self.severity, self.violation)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}
