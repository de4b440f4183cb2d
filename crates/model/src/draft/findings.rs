//! What is noticed while a document is read, in the order in which it was noticed: the first of each sort, and how many
//! there are.

use std::cell::RefCell;

use crate::draft::Document;
use crate::draft::asked::{Asked, Sort};
use crate::draft::kept::Kept;
use crate::problems::KEPT;
use crate::violation::{FieldPath, Severity, Violation};

/// Collects while a document is read. Shared by all [`Fields`](crate::draft::Fields) of the document.
#[derive(Debug)]
pub struct Findings<'d> {
    document: &'d Document,
    violations: RefCell<Kept<Violation>>,
    notes: RefCell<Notes>,
    /// What was asked for, if somebody wants to know.
    asked: Option<RefCell<Asked>>,
}

/// The first remarks of each sort, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) items: Vec<Note>,
    /// By sort, in the order of [`NoteSort`].
    seen: [usize; 4],
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
    /// A value that is none of those that its field takes: it says nothing, and no rule about what it says counts.
    Unreadable,
    /// Something else that keeps the document from being accepted.
    Error,
    /// Something that does not.
    Warning,
}

impl Notes {
    /// Where values stand that cannot be read.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = &FieldPath> {
        self.items.iter().filter(|note| note.sort == NoteSort::Unreadable).map(|note| &note.path)
    }

    /// How many remarks of this severity were not kept, if an unknown field is as bad as `unknown`.
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
    /// How bad it is, if an unknown field is as bad as `unknown`; absent when it is not to be told.
    pub fn severity(&self, unknown: Option<Severity>) -> Option<Severity> {
        match self.sort {
            NoteSort::UnknownField => unknown,
            NoteSort::Unreadable | NoteSort::Error => Some(Severity::Error),
            NoteSort::Warning => Some(Severity::Warning),
        }
    }
}

impl<'d> Findings<'d> {
    /// Nothing was noticed yet.
    pub fn new(document: &'d Document) -> Self {
        Self { document, violations: RefCell::default(), notes: RefCell::default(), asked: None }
    }

    /// The same, which also keeps what was asked for.
    pub(crate) fn recording(document: &'d Document) -> Self {
        Self { asked: Some(RefCell::default()), ..Self::new(document) }
    }

    /// Remarks that a field of a sort was asked for.
    pub(crate) fn asked(&self, path: impl FnOnce() -> FieldPath, sort: Sort) {
        self.asked_with(path, || sort);
    }

    /// The same of a sort that is costly to make.
    pub(crate) fn asked_with(&self, path: impl FnOnce() -> FieldPath, sort: impl FnOnce() -> Sort) {
        if let Some(asked) = &self.asked {
            asked.borrow_mut().add(&path(), sort());
        }
    }

    /// What was asked for.
    pub(crate) fn into_asked(self) -> Asked {
        self.asked.map(RefCell::into_inner).unwrap_or_default()
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

    /// Whether a rule of the reference is broken.
    pub fn has_violations(&self) -> bool {
        !self.violations.borrow().items.is_empty()
    }

    /// Broken rules of the reference, and our own remarks: the first [`KEPT`] of each sort.
    pub fn into_parts(self) -> (Vec<Violation>, Vec<Note>) {
        let (violations, notes) = self.into_counted();
        (violations.items, notes.items)
    }

    /// As [`Findings::into_parts`], with the number of those that were not kept.
    pub(crate) fn into_counted(self) -> (Kept<Violation>, Notes) {
        (self.violations.into_inner(), self.notes.into_inner())
    }
}
