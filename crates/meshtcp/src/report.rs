//! Problems for people: each is shown in its source text, with what to do.
//!
//! Servers draw problems, too, so drawing can neither end nor flood them: a picture is at most 32 KiB long, at most as
//! many are shown as a person reads, and a panic while drawing leads to one plain line.

mod excerpt;
mod plain;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};
use control::sources::{Source, SourceState};
use excerpt::Excerpt;
use model::problems::{SHOWN, Shown};
use model::violation::Position;
use model::{Problem, Problems, Severity};
use serde_json::{Value, json};
use xds::Foreign;

use crate::answer::keep_problem;
use crate::output::{complain, complain_drawn};
use crate::said::{self, Event, Level, Stream};
use plain::Plain;
pub(crate) use plain::plain;

/// Maximum length of the picture of a problem, in bytes.
#[cfg(test)]
const PICTURE_BYTES: usize = 32 << 10;

/// Renderer of problems, with colours if standard error is a terminal that wants them.
pub(crate) struct Reporter {
    colours: &'static Colours,
}

/// Escape sequences before and after a part of a picture.
#[derive(Debug)]
struct Colours {
    error: &'static str,
    warning: &'static str,
    help: &'static str,
    title: &'static str,
    mark: &'static str,
    dim: &'static str,
    off: &'static str,
}

impl Colours {
    const NONE: Self = Self { error: "", warning: "", help: "", title: "", mark: "", dim: "", off: "" };
    const ANSI: Self = Self {
        error: "\u{1b}[31m",
        warning: "\u{1b}[33m",
        help: "\u{1b}[36m",
        title: "\u{1b}[36;1;4m",
        mark: "\u{1b}[35;1m",
        dim: "\u{1b}[2m",
        off: "\u{1b}[0m",
    };
}

impl Reporter {
    pub(crate) fn new() -> Self {
        let wanted = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
        Self { colours: if wanted { &Colours::ANSI } else { &Colours::NONE } }
    }

    /// Draws a problem in its source text, if that is known.
    pub(crate) fn draw(&self, problem: &Problem, text: Option<&str>) -> String {
        guarded(|| picture(problem, text, self.colours), || Foreign::message(problem).to_string())
    }

    /// Prints problems to standard error, each in its source text, if that is known: the first ones, and the number of
    /// the others.
    pub(crate) fn tell(&self, problems: &Problems, text: impl Fn(&str) -> Option<Arc<str>>) {
        self.tell_as(&problems.shown(SHOWN), text);
    }

    /// Prints new problems of a source, and what is in force of each of its parts that has some.
    pub(crate) fn tell_of(&self, source: &dyn Source, problems: &Problems) {
        self.tell(problems, |part| source.text(part));
        for (part, state) in source.states() {
            let said = match state {
                SourceState::LastGood => "its last good content stays in force",
                SourceState::Nothing => "nothing of it is in force until it is repaired",
                SourceState::Current => continue,
            };
            if problems.iter().any(|problem| *problem.source == *part) {
                complain(&format!("{part}: {said}\n"));
            }
        }
    }

    /// Prints a selection of problems.
    pub(crate) fn tell_as(&self, shown: &Shown<'_>, text: impl Fn(&str) -> Option<Arc<str>>) {
        if said::is_json() {
            return tell_programs(shown);
        }
        // problems of one file are mostly next to each other
        let mut last: Option<(&str, Option<Arc<str>>)> = None;
        for problem in &shown.problems {
            let known = match last.take() {
                Some((source, known)) if source == &*problem.source => known,
                _ => text(&problem.source),
            };
            let drawn = format!("{}\n", self.draw(problem, known.as_deref()));
            if let Some(line) = said::line(Stream::Error, &drawn) {
                complain_drawn(&line);
            } else if !keep_problem(drawn.clone(), json!(Plain::from(*problem))) {
                complain_drawn(&drawn);
            }
            last = Some((&problem.source, known));
        }
        if shown.more > 0 {
            complain(&format!("and {}\n", more_in_words(shown.more)));
        }
    }
}

/// Prints problems as events: an object for each, and one for those that are not shown.
fn tell_programs(shown: &Shown<'_>) {
    for problem in &shown.problems {
        let level = match problem.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        };
        let mut event = Event::new("problem", level, &problem.violation);
        if let Value::Object(members) = serde_json::to_value(Plain::from(*problem)).unwrap_or_default() {
            let told =
                members.into_iter().filter(|(key, _)| !["severity", "message"].contains(&key.as_str()));
            event = told.fold(event, |event, (key, value)| event.with(&key, value));
        }
        event.tell();
    }
    if shown.more > 0 {
        Event::new("problem", Level::Warning, more_in_words(shown.more)).with("more", shown.more).tell();
    }
}

/// Number of problems that are not shown, in words.
fn more_in_words(more: usize) -> String {
    match more {
        1 => "1 more problem".to_owned(),
        more => format!("{more} more problems"),
    }
}

/// Draws, or falls back to plain text if that panics.
fn guarded(draw: impl FnOnce() -> String, plain: impl FnOnce() -> String) -> String {
    let drawn = catch_unwind(AssertUnwindSafe(draw)).or_else(|_| catch_unwind(AssertUnwindSafe(plain)));
    let mut drawn = drawn.unwrap_or_else(|_| "error: a problem that cannot be shown".to_owned());
    if !drawn.ends_with('\n') {
        drawn.push('\n');
    }
    drawn
}

fn picture(problem: &Problem, text: Option<&str>, colours: &Colours) -> String {
    let Problem { source, position, severity, resource, violation, help } = problem;
    let violation = violation.to_string();
    let resource = match resource {
        // the source of a stored resource is the resource
        Some(resource) if **source == **resource => String::new(),
        Some(resource) if !violation.starts_with(resource.as_str()) => {
            format!("{}: ", Foreign::name(resource))
        }
        Some(_) | None => String::new(),
    };
    let name = Foreign::name(source);
    let shown = position.zip(text).filter(|(at, text)| at.offset <= text.len());
    let place = match (&shown, position) {
        (Some(_), _) => String::new(),
        (None, Some(at)) => format!("{name}:{}:{}: ", at.line, at.column),
        (None, None) if source.is_empty() => String::new(),
        (None, None) => format!("{name}: "),
    };
    let Colours { error, warning, help: helping, off, .. } = colours;
    let severity = match severity {
        Severity::Error => format!("{error}error:{off}"),
        Severity::Warning => format!("{warning}warning:{off}"),
    };
    let mut drawn = format!("  {severity} {place}{resource}{}\n", Foreign::message(&violation));
    if let Some((Position { line, column, offset, length }, text)) = shown {
        let number = usize::try_from(line).unwrap_or(usize::MAX - 1);
        let excerpt = Excerpt::around(text, number, offset, length);
        drawn.push_str(&excerpt.draw(&format!("{name}:{line}:{column}"), colours));
    }
    if let Some(help) = help {
        drawn.push_str(&format!("  {helping}help: {off}{}\n", Foreign::message(help)));
    }
    drawn
}

/// Number of errors and warnings, in words: `2 errors, 1 warning`.
pub(crate) fn count_in_words(problems: &Problems) -> String {
    let some = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    match (problems.errors(), problems.warnings()) {
        (0, 0) => "no problems".to_owned(),
        (errors, 0) => some(errors, "error"),
        (0, warnings) => some(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", some(errors, "error"), some(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests;
