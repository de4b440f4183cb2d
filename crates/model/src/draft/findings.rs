//! Findings while a document is read, in the order in which they were found: the first of each sort, and their
//! number.

use std::cell::RefCell;

use crate::draft::Document;
use crate::draft::asked::{Asked, FieldType};
use crate::draft::kept::Kept;
use crate::problems::KEPT;
use crate::violation::{FieldPath, Severity, Violation};

/// Collector of findings while a document is read. Shared by all [`Fields`](crate::draft::Fields) of the document.
#[derive(Debug)]
pub struct Findings<'d> {
    document: &'d Document,
    violations: RefCell<Kept<Violation>>,
    notes: RefCell<Notes>,
    /// Fields that were asked for; absent: not recorded.
    asked: Option<RefCell<Asked>>,
}

/// First remarks of each sort, and the number of all.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) items: Vec<Note>,
    /// Numbers by sort, in the order of [`NoteSort`].
    seen: [usize; 4],
}

/// Remark for the operator that the reference would not make, or not in these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Sort of the remark.
    pub sort: NoteSort,
    /// Path that it is about.
    pub path: FieldPath,
    /// Problem, in words.
    pub message: String,
    /// Help: what to do; absent: none.
    pub help: Option<String>,
}

/// Sort of a [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteSort {
    /// A field that is never read: the caller decides how severe that is.
    UnknownField,
    /// A value that its field does not accept: it is ignored, and so are violations about it.
    Unreadable,
    /// Another error that keeps the document from being accepted.
    Error,
    /// A warning: the document is accepted.
    Warning,
}

impl Notes {
    /// Returns the paths of values that cannot be read.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = &FieldPath> {
        self.items.iter().filter(|note| note.sort == NoteSort::Unreadable).map(|note| &note.path)
    }

    /// Returns the number of remarks of this severity that were not kept, if an unknown field is as severe as
    /// `unknown`.
    pub(crate) fn left_out(&self, wanted: Severity, unknown: Option<Severity>) -> usize {
        let [of_unknown, unreadable, errors, warnings] = self.seen.map(|seen| seen.saturating_sub(KEPT));
        let of_unknown = if unknown == Some(wanted) { of_unknown } else { 0 };
        of_unknown
            + match wanted {
                Severity::Error => unreadable + errors,
                Severity::Warning => warnings,
            }
    }
}

impl Note {
    /// Returns the severity, if an unknown field is as severe as `unknown`; absent: it is not reported.
    pub fn severity(&self, unknown: Option<Severity>) -> Option<Severity> {
        match self.sort {
            NoteSort::UnknownField => unknown,
            NoteSort::Unreadable | NoteSort::Error => Some(Severity::Error),
            NoteSort::Warning => Some(Severity::Warning),
        }
    }
}

impl<'d> Findings<'d> {
    /// Creates a collector without findings.
    pub fn new(document: &'d Document) -> Self {
        Self { document, violations: RefCell::default(), notes: RefCell::default(), asked: None }
    }

    /// Creates a collector that also records the fields that were asked for.
    pub(crate) fn recording(document: &'d Document) -> Self {
        Self { asked: Some(RefCell::default()), ..Self::new(document) }
    }

    /// Records that a field of a type was asked for.
    pub(crate) fn asked(&self, path: impl FnOnce() -> FieldPath, sort: FieldType) {
        self.asked_with(path, || sort);
    }

    /// As [`Findings::asked`], for a type that is costly to make.
    pub(crate) fn asked_with(&self, path: impl FnOnce() -> FieldPath, sort: impl FnOnce() -> FieldType) {
        if let Some(asked) = &self.asked {
            asked.borrow_mut().add(&path(), sort());
        }
    }

    /// Returns the fields that were asked for.
    pub(crate) fn into_asked(self) -> Asked {
        self.asked.map(RefCell::into_inner).unwrap_or_default()
    }

    /// Document that is read.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// Adds a violation of a rule of the reference, in its words.
    pub fn violate(&self, violation: Violation) {
        self.violations.borrow_mut().push(violation);
    }

    /// Adds a remark of our own.
    pub fn note(&self, note: Note) {
        self.note_with(note.sort, || note);
    }

    /// As [`Findings::note`], for a remark that is costly to make.
    pub(crate) fn note_with(&self, sort: NoteSort, note: impl FnOnce() -> Note) {
        let mut notes = self.notes.borrow_mut();
        let [unknown, unreadable, errors, warnings] = &mut notes.seen;
        let seen = match sort {
            NoteSort::UnknownField => unknown,
            NoteSort::Unreadable => unreadable,
            NoteSort::Error => errors,
            NoteSort::Warning => warnings,
        };
        *seen += 1;
        if *seen <= KEPT {
            notes.items.push(note());
        }
    }

    /// Returns the violations of rules of the reference, and our own remarks: the first [`KEPT`] of each sort.
    pub fn into_parts(self) -> (Vec<Violation>, Vec<Note>) {
        let (violations, notes) = self.into_counted();
        (violations.items, notes.items)
    }

    /// As [`Findings::into_parts`], with the number of those that were not kept.
    pub(crate) fn into_counted(self) -> (Kept<Violation>, Notes) {
        (self.violations.into_inner(), self.notes.into_inner())
    }
}
