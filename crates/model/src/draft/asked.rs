//! What a reader asks a document for: fields, whether they are there or not, and what they have to be.

use std::collections::{BTreeMap, BTreeSet};

use crate::violation::{FieldPath, Step};

/// What a field has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// Anything.
    Any,
    Text,
    /// One of these words.
    Word(Vec<String>),
    /// Some of these words.
    Words(Vec<String>),
    Flag,
    /// A whole number that is not negative.
    Whole,
    Signed,
    Object,
    /// A list of objects.
    Items,
    /// A list of texts.
    Texts,
    /// Texts by texts.
    Map,
    /// The object itself may have other fields, too.
    Open,
}

/// Fields that were asked for. Of lists it counts what was asked of any item.
#[derive(Debug, Default)]
pub(crate) struct Asked(pub(crate) BTreeMap<FieldPath, BTreeSet<Sort>>);

impl Asked {
    pub(crate) fn add(&mut self, path: &FieldPath, sort: Sort) {
        let step = |any: FieldPath, step: &Step| match step {
            Step::Field(name) => any.field(name),
            Step::Key(key) => any.key(key),
            Step::Index(_) => any.index(0),
        };
        let any = path.steps().iter().fold(FieldPath::root(), step);
        self.0.entry(any).or_default().insert(sort);
    }
}
