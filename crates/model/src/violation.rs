//! Violations and problems: what is wrong, where, and what to do. Always a list, never only the first.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Path of a field in a document: `spec.to[0].rules[0].default.backendRefs[1].weight`.
///
/// Stored as steps, so that a position can be looked up; displayed as the reference prints it (spec 02).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Step>);

/// Step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Field of an object: `.name`.
    Field(String),
    /// Key of a map, which may be any text: `["kuma.io/service"]`.
    Key(String),
    /// Item of a list: `[3]`.
    Index(usize),
}

impl FieldPath {
    /// The path of the whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of a field below this path.
    pub fn field(&self, name: impl Into<String>) -> Self {
        self.with(Step::Field(name.into()))
    }

    /// The path of a map key below this path.
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// The path of a list item below this path.
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Returns this path, and those of everything that contains it, innermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = FieldPath> + '_ {
        (0..=self.0.len()).rev().filter_map(|end| Some(Self(self.0.get(..end)?.to_vec())))
    }

    /// Steps from the root.
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

/// Violation of one rule: the pair that the reference answers with (spec 02).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Violation {
    /// Field, as text; empty for the whole document.
    pub field: String,
    /// Problem, in the reference's words if it has any.
    pub message: String,
    /// Field as steps, for its position.
    pub path: FieldPath,
}

impl Violation {
    /// A violation at a path, whose text form is the path's.
    pub fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { field: path.to_string(), message: message.into(), path }
    }
}

impl fmt::Display for Violation {
    /// Writes `<field>: <message>`, as the reference joins them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

/// Severity of a problem.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Information for the operator; it stops nothing.
    Warning,
    /// The document is not accepted.
    Error,
}

impl fmt::Display for Severity {
    /// Writes `warning` or `error`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// Position in a source text. Lines and columns count from 1, columns in characters; the offset is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
    /// Offset, in bytes.
    pub offset: usize,
    /// Length of the text at the position, in bytes; 0: unknown.
    pub length: usize,
}

/// Problem of a source for the operator: what, where, why, what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// File, or another name of the origin of the text.
    pub source: Arc<str>,
    /// Position in the source; absent: it concerns no single place.
    pub position: Option<Position>,
    /// Severity of the problem.
    pub severity: Severity,
    /// Resource that it concerns, as `Kind mesh/name`; absent: it could not be read.
    pub resource: Option<String>,
    /// Field, and what is wrong with it.
    pub violation: Violation,
    /// Help: what to do; absent: none.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    /// Writes one line: `file:line:column: error: field: message (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        if let Some(Position { line, column, .. }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}: {}", self.severity, self.violation)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}
