//! Source: one text that resources are read from, with its line starts.

use std::sync::Arc;

use crate::violation::Position;

/// Named text. Cheap to share: documents keep it, so that positions are computed only for what is reported.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// File, or another name of the origin of the text.
    pub(crate) name: Arc<str>,
    /// Content.
    pub(crate) text: String,
    /// Byte offset of the start of each line.
    lines: Vec<usize>,
    /// Number of characters that begin before each [`STRIDE`]th byte, so that a column in a long line is found
    /// without a walk.
    characters: Vec<usize>,
}

const STRIDE: usize = 1024;

/// Span of a [`Source`], in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        let mut before = 0;
        let count = |part: &[u8]| {
            let sum = before;
            before += beginnings(part);
            sum
        };
        let characters = text.as_bytes().chunks(STRIDE).map(count).collect();
        Self { name: name.into(), text: text.into(), lines, characters }
    }

    /// Returns the number of characters that begin before a byte offset.
    fn characters_before(&self, offset: usize) -> usize {
        let stride = offset / STRIDE;
        let rest = self.text.as_bytes().get(stride * STRIDE..offset).unwrap_or_default();
        match self.characters.get(stride) {
            Some(before) => before + beginnings(rest),
            // Only the end of a text whose length is a multiple of the stride.
            None => beginnings(self.text.as_bytes()),
        }
    }

    /// Returns the line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// Returns the position of a span. Offsets outside of the text are treated as its end.
    pub(crate) fn position(&self, spot: Spot) -> Position {
        let mut offset = spot.offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line(offset);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { line: narrow(line), column: narrow(column), offset, length: spot.length }
    }

    /// Returns the text of the line around an offset, without its end.
    pub(crate) fn line_at(&self, offset: usize) -> &str {
        let start = self.lines.get(self.line(offset) - 1).copied().unwrap_or_default();
        self.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default()
    }

    /// Returns the text of a span, as written.
    pub(crate) fn written(&self, spot: Spot) -> Option<&str> {
        self.text.get(spot.offset..spot.offset.checked_add(spot.length)?)
    }
}

/// Returns the number of characters that begin in some bytes of a text.
fn beginnings(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_offsets_count_bytes() {
        let source = Source::new("f", "a: 1\nkäse: 2\n");
        let at = source.position(Spot { offset: 12, length: 1 });
        assert_eq!((at.line, at.column, at.offset), (2, 7, 12));
        let end = source.position(Spot { offset: 999, length: 0 });
        assert_eq!((end.line, end.column), (3, 1));
    }

    #[test]
    fn columns_are_right_far_along_a_line() {
        let source = Source::new("f", &"ä".repeat(STRIDE));
        for (offset, column) in
            [(0, 1), (2, 2), (STRIDE - 2, STRIDE / 2), (STRIDE, STRIDE / 2 + 1), (2 * STRIDE, STRIDE + 1)]
        {
            let at = source.position(Spot { offset, length: 0 });
            assert_eq!((at.line, at.column as usize), (1, column), "{offset}");
        }
    }
}
