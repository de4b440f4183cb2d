//! What is noticed while a document is read: all of it, in the order in which it was noticed.

use std::cell::RefCell;

use crate::draft::Document;
use crate::violation::{FieldPath, Severity, Violation};

/// Collects while a document is read. Shared by all [`Fields`](crate::draft::Fields) of the document.
#[derive(Debug)]
pub struct Findings<'d> {
    document: &'d Document,
    violations: RefCell<Vec<Violation>>,
    notes: RefCell<Vec<Note>>,
}

/// Something to tell the operator that the reference would not say, or not in these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What sort of remark it is.
    pub sort: NoteSort,
    /// Where.
    pub path: FieldPath,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// What sort of remark a [`Note`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteSort {
    /// A field that nothing reads: the caller says how bad that is.
    UnknownField,
    /// Something that keeps the document from being accepted.
    Error,
    /// Something that does not.
    Warning,
}

impl Note {
    /// How bad it is, if an unknown field is as bad as `unknown`; absent when it is not to be told.
    pub fn severity(&self, unknown: Option<Severity>) -> Option<Severity> {
        match self.sort {
            NoteSort::UnknownField => unknown,
            NoteSort::Error => Some(Severity::Error),
            NoteSort::Warning => Some(Severity::Warning),
        }
    }
}

impl<'d> Findings<'d> {
    /// Nothing was noticed yet.
    pub fn new(document: &'d Document) -> Self {
        Self { document, violations: RefCell::default(), notes: RefCell::default() }
    }

    /// The document that is read.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// Adds a broken rule of the reference, in its words.
    pub fn violate(&self, violation: Violation) {
        self.violations.borrow_mut().push(violation);
    }

    /// Adds a remark of our own.
    pub fn note(&self, note: Note) {
        self.notes.borrow_mut().push(note);
    }

    /// Whether a rule of the reference is broken.
    pub fn has_violations(&self) -> bool {
        !self.violations.borrow().is_empty()
    }

    /// Everything: broken rules of the reference, and our own remarks.
    pub fn into_parts(self) -> (Vec<Violation>, Vec<Note>) {
        (self.violations.into_inner(), self.notes.into_inner())
    }
}
