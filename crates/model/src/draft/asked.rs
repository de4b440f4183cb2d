//! Record of the fields that a reader asks a document for, present or not, with their types.

use std::collections::{BTreeMap, BTreeSet};

use crate::violation::{FieldPath, Step};

/// Type that a field must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FieldType {
    /// Any type.
    Any,
    Text,
    /// One of these words.
    Word(Vec<String>),
    /// List of these words.
    Words(Vec<String>),
    Flag,
    /// Non-negative whole number.
    Whole,
    Signed,
    Object,
    /// List of objects.
    Items,
    /// List of texts.
    Texts,
    /// Map from text to text.
    Map,
    /// The object itself, which may have other fields too.
    Open,
}

/// Fields that were asked for. For lists, what was asked of any item.
#[derive(Debug, Default)]
pub(crate) struct Asked(pub(crate) BTreeMap<FieldPath, BTreeSet<FieldType>>);

impl Asked {
    pub(crate) fn add(&mut self, path: &FieldPath, sort: FieldType) {
        let step = |any: FieldPath, step: &Step| match step {
            Step::Field(name) => any.field(name),
            Step::Key(key) => any.key(key),
            Step::Index(_) => any.index(0),
        };
        let any = path.steps().iter().fold(FieldPath::root(), step);
        self.0.entry(any).or_default().insert(sort);
    }
}
