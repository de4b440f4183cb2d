//! Excerpt of a text around the place of a problem.
//!
//! The size of the excerpt does not depend on the text. A line may be a whole file; only the part near the place is
//! read.

use std::fmt::{self, Write as _};

use unicode_width::UnicodeWidthChar as _;
use xds::Printed;

/// Maximum number of columns shown of a line.
const COLUMNS: usize = 100;
/// Minimum number of columns in front of the place if the line does not fit.
const BEFORE: usize = 40;
/// Expansion of a tab.
const TAB: &str = "    ";

/// Lines around a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Number of the line with the place, from 1.
    number: usize,
    before: Option<String>,
    line: Marked,
    after: Option<String>,
}

/// Line with a marked part.
#[derive(Debug, PartialEq, Eq)]
struct Marked {
    text: String,
    /// Column at which the mark begins.
    column: usize,
    /// Width of the mark in columns; never 0.
    width: usize,
}

impl Excerpt {
    /// Returns the lines around a range of a text, in bytes. A range outside the text, or within a character, is moved
    /// to the nearest valid one. A range over several lines is marked to the end of the first.
    pub(super) fn around(text: &str, number: usize, offset: usize, length: usize) -> Self {
        let offset = text.floor_char_boundary(offset.min(text.len()));
        let end = text.ceil_char_boundary(offset.saturating_add(length).min(text.len()));
        let (before, rest) = text.split_at(offset);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let (above, head) = before.split_at(start);
        let (tail, below) = rest.split_once('\n').map_or((rest, None), |(tail, below)| (tail, Some(below)));
        let tail = tail.strip_suffix('\r').unwrap_or(tail);
        let marked = tail.floor_char_boundary(end.saturating_sub(offset).min(tail.len()));
        let (marked, behind) = tail.split_at(marked);
        let above = above.strip_suffix('\n').map(|above| above.rsplit('\n').next().unwrap_or(above));
        let below = below.map(|below| below.split('\n').next().unwrap_or(below));
        let beginning = |line: &str| Marked::of("", "", line.strip_suffix('\r').unwrap_or(line)).text;
        Self {
            number,
            before: above.map(beginning),
            line: Marked::of(head, marked, behind),
            after: below.filter(|below| !below.is_empty()).map(beginning),
        }
    }

    /// Width of the line numbers in columns.
    fn gutter(&self) -> usize {
        (self.number + 1).to_string().len()
    }

    /// Draws the excerpt under a title, with line numbers and the mark in these colours.
    pub(super) fn draw(&self, title: &str, colours: &super::Colours) -> String {
        let super::Colours { mark, dim, title: titled, off, .. } = colours;
        let Self { number, before, line, after } = self;
        let gutter = self.gutter();
        let blank = " ".repeat(gutter);
        let mut drawn = format!(" {blank} ╭─[{titled}{title}{off}]\n");
        let numbered = |number: usize, text: &str| {
            let line = format!(" {dim}{number:>gutter$}{off} │ {text}");
            format!("{}\n", line.trim_end())
        };
        if let Some(before) = before {
            drawn.push_str(&numbered(number.saturating_sub(1), before));
        }
        drawn.push_str(&numbered(*number, &line.text));
        let (space, stroke) = (" ".repeat(line.column), "─".repeat(line.width));
        // formatting into a string does not fail
        let _ = writeln!(drawn, " {blank} · {space}{mark}{stroke}{off}");
        if let Some(after) = after {
            drawn.push_str(&numbered(number + 1, after));
        }
        let _ = writeln!(drawn, " {blank} ╰────");
        drawn
    }
}

impl Marked {
    /// Builds a line of three parts: the text before the mark, the marked text, and the text after it.
    fn of(head: &str, marked: &str, tail: &str) -> Self {
        let behind = DisplayedText::from_start(marked.chars().chain(tail.chars()), COLUMNS - BEFORE);
        let room = COLUMNS - behind.room_taken;
        let front = DisplayedText::from_end(head, room);
        // the text after the mark gets the room that is left
        let room = COLUMNS - front.room_taken;
        let displayed = DisplayedText::from_start(marked.chars(), room);
        let rest = match displayed.is_cut {
            true => DisplayedText::default(),
            false => DisplayedText::from_start(tail.chars(), room - displayed.room_taken),
        };
        let mut text = String::new();
        for (part, sign_in_front, sign_behind) in [
            (&front, front.is_cut, false),
            (&displayed, false, displayed.is_cut),
            (&rest, false, rest.is_cut),
        ] {
            text.push_str(if sign_in_front { "…" } else { "" });
            text.push_str(&part.text);
            text.push_str(if sign_behind { "…" } else { "" });
        }
        Self { text, column: front.width + usize::from(front.is_cut), width: displayed.width.max(1) }
    }
}

/// Characters in their displayed form.
#[derive(Debug, Default)]
struct DisplayedText {
    text: String,
    /// Width in columns.
    width: usize,
    /// Room taken: the width, where a character without one counts as well, since any number of them would fit
    /// otherwise.
    room_taken: usize,
    /// `true`: there was more text.
    is_cut: bool,
}

impl DisplayedText {
    fn from_start(characters: impl Iterator<Item = char>, room: usize) -> Self {
        let mut displayed = Self::default();
        for character in characters {
            let cell = Cell(character);
            let (width, taken) = cell.size();
            if displayed.room_taken + taken > room {
                displayed.is_cut = true;
                break;
            }
            let _ = write!(displayed.text, "{cell}");
            (displayed.width, displayed.room_taken) = (displayed.width + width, displayed.room_taken + taken);
        }
        displayed
    }

    fn from_end(text: &str, room: usize) -> Self {
        let mut displayed = Self::default();
        let mut start = text.len();
        for (at, character) in text.char_indices().rev() {
            let (width, taken) = Cell(character).size();
            if displayed.room_taken + taken > room {
                displayed.is_cut = true;
                break;
            }
            start = at;
            (displayed.width, displayed.room_taken) = (displayed.width + width, displayed.room_taken + taken);
        }
        for character in text.get(start..).unwrap_or_default().chars() {
            let _ = write!(displayed.text, "{}", Cell(character));
        }
        displayed
    }
}

/// Character in an excerpt.
struct Cell(char);

impl Cell {
    /// Width in columns, and the room taken.
    fn size(&self) -> (usize, usize) {
        let width = match (self.0, Printed::of(self.0)) {
            ('\t', _) => TAB.len(),
            (_, Printed::Plain(plain)) => plain.width().unwrap_or_default(),
            (_, Printed::Escaped(_)) => 1,
        };
        (width, width.max(1))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, Printed::of(self.0)) {
            ('\t', _) => f.write_str(TAB),
            (_, Printed::Plain(plain)) => f.write_char(plain),
            (_, Printed::Escaped(_)) => f.write_char('\u{fffd}'),
        }
    }
}

#[cfg(test)]
mod tests;
