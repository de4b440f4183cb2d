//! Bounded collections of problems.
//!
//! A megabyte of text can have four hundred thousand problems. The size of what is kept does not depend on the
//! text; the rest is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use crate::violation::{Problem, Severity, Violation};

/// Limit on kept problems of each severity per source, so that one broken file hides no other.
pub const KEPT: usize = 500;
/// Limit on kept problems of each severity for all sources.
const KEPT_OF_ALL: usize = 10 * KEPT;
/// Number of problems that an answer or a screen shows.
pub const SHOWN: usize = 20;
/// Limit on each text of a problem, in bytes. A message may quote a value, and a value may be a whole file.
const TEXT_BYTES: usize = 2_000;

/// Problems in the order in which they came: the first [`KEPT`] of each source and severity, and the number of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    kept: Vec<Problem>,
    errors: Tally,
    warnings: Tally,
    /// Numbers of kept problems by source and severity.
    of_sources: BTreeMap<(Arc<str>, Severity), usize>,
}

/// Number of kept and of omitted problems of a severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    kept: usize,
    left_out: usize,
}

/// Problems that are shown, and the number of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'p> {
    /// Problems up to the requested number, in order. Errors come before warnings if not all fit.
    pub problems: Vec<&'p Problem>,
    /// Number of problems that are not shown.
    pub more: usize,
}

impl Problems {
    /// Adds a problem at the end.
    pub fn push(&mut self, problem: Problem) {
        let source = Arc::clone(&problem.source);
        self.push_with(&source, problem.severity, || problem);
    }

    /// As [`Problems::push`], for one that is costly to make.
    pub(crate) fn push_with(
        &mut self,
        source: &Arc<str>,
        severity: Severity,
        problem: impl FnOnce() -> Problem,
    ) {
        let of_source = self.of_sources.entry((Arc::clone(source), severity)).or_default();
        let has_room = *of_source < KEPT;
        *of_source += usize::from(has_room);
        let tally = self.tally(severity);
        if !has_room || tally.kept >= KEPT_OF_ALL {
            tally.left_out += 1;
            return;
        }
        tally.kept += 1;
        let mut problem = problem();
        let Violation { field, message, path: _ } = &mut problem.violation;
        [field, message].into_iter().chain(&mut problem.help).for_each(shorten);
        self.kept.push(problem);
    }

    /// Counts problems that are not kept.
    pub(crate) fn leave_out(&mut self, severity: Severity, number: usize) {
        self.tally(severity).left_out += number;
    }

    /// Adds others at the end.
    pub fn append(&mut self, others: Self) {
        let Self { kept, errors, warnings, of_sources: _ } = others;
        self.extend(kept);
        self.leave_out(Severity::Error, errors.left_out);
        self.leave_out(Severity::Warning, warnings.left_out);
    }

    /// Sorts them by place, and removes duplicates.
    pub fn sort(&mut self) {
        self.kept.sort();
        self.kept.dedup();
        self.of_sources.clear();
        for problem in &self.kept {
            *self.of_sources.entry((Arc::clone(&problem.source), problem.severity)).or_default() += 1;
        }
        for severity in [Severity::Error, Severity::Warning] {
            let kept = self.kept.iter().filter(|problem| problem.severity == severity).count();
            self.tally(severity).kept = kept;
        }
    }

    /// Number of errors.
    pub fn errors(&self) -> usize {
        self.errors.all()
    }

    /// Number of warnings.
    pub fn warnings(&self) -> usize {
        self.warnings.all()
    }

    /// Number of problems, with those that are not kept.
    pub fn total(&self) -> usize {
        self.errors() + self.warnings()
    }

    /// Returns `true` if there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// Returns at most `limit` of them for display.
    pub fn shown(&self, limit: usize) -> Shown<'_> {
        let errors = self.errors.kept.min(limit);
        let (mut room, mut room_for_warnings) = (errors, limit - errors);
        let mut has_room = |problem: &&Problem| {
            let room = match problem.severity {
                Severity::Error => &mut room,
                Severity::Warning => &mut room_for_warnings,
            };
            let has_room = *room > 0;
            *room = room.saturating_sub(1);
            has_room
        };
        let problems: Vec<&Problem> = self.kept.iter().filter(|problem| has_room(problem)).collect();
        let more = self.total() - problems.len();
        Shown { problems, more }
    }

    /// Returns those that were not among others; of those that are not kept, only the difference in number.
    pub fn since(&self, before: &Self) -> Self {
        let known: BTreeSet<&Problem> = before.kept.iter().collect();
        let mut new: Self = self.kept.iter().filter(|problem| !known.contains(problem)).cloned().collect();
        new.errors.left_out = self.errors.left_out.saturating_sub(before.errors.left_out);
        new.warnings.left_out = self.warnings.left_out.saturating_sub(before.warnings.left_out);
        new
    }

    /// Returns only those of one severity.
    pub fn only(&self, severity: Severity) -> Self {
        let mut only: Self =
            self.kept.iter().filter(|problem| problem.severity == severity).cloned().collect();
        match severity {
            Severity::Error => only.errors = self.errors,
            Severity::Warning => only.warnings = self.warnings,
        }
        only
    }

    fn tally(&mut self, severity: Severity) -> &mut Tally {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }
}

impl Tally {
    fn all(self) -> usize {
        self.kept + self.left_out
    }
}

/// Dereferences to the problems that are kept.
impl Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.kept
    }
}

impl<const N: usize> PartialEq<[Problem; N]> for Problems {
    fn eq(&self, others: &[Problem; N]) -> bool {
        self.total() == N && self.kept == others
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        let mut all = Self::default();
        all.extend(problems);
        all
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.into_iter()
    }
}

impl<'p> IntoIterator for &'p Problems {
    type Item = &'p Problem;
    type IntoIter = std::slice::Iter<'p, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.iter()
    }
}

fn shorten(text: &mut String) {
    if text.len() > TEXT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
        text.push('…');
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::FieldPath;

    fn problem(severity: Severity, number: usize) -> Problem {
        let violation = Violation::new(FieldPath::root().index(number), "x".repeat(number));
        Problem { source: "f".into(), position: None, severity, resource: None, violation, help: None }
    }

    #[test]
    fn all_are_counted_and_some_are_kept() {
        let mut problems: Problems = (0..2 * KEPT).map(|number| problem(Severity::Warning, number)).collect();
        problems.push(problem(Severity::Error, 1 << 20));
        assert_eq!((problems.errors(), problems.warnings(), problems.len()), (1, 2 * KEPT, KEPT + 1));
        assert!(problems.last().unwrap().violation.message.len() <= TEXT_BYTES + '…'.len_utf8());
        let Shown { problems: shown, more } = problems.shown(SHOWN);
        assert_eq!((shown.len(), more), (SHOWN, 2 * KEPT + 1 - SHOWN));
        assert_eq!(shown.last().unwrap().severity, Severity::Error);
        let mut twice = problems.clone();
        twice.append(problems.clone());
        assert_eq!((twice.errors(), twice.warnings()), (2, 4 * KEPT));
        twice.sort();
        assert_eq!(twice.errors(), 1);
        let other = Problem { source: "g".into(), ..problem(Severity::Warning, 0) };
        problems.push(other.clone());
        assert!(problems.contains(&other));
    }
}
