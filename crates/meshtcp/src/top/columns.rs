//! Columns, and cells that know their sort order.

use std::cmp::Ordering;

/// Column of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// `true`: the cells are numbers, which are right-aligned.
    pub(super) is_number: bool,
    /// Rank: on a narrow screen, the column with the highest is left out first.
    pub(super) rank: u8,
}

impl Column {
    pub(super) const fn text(title: &'static str, rank: u8) -> Self {
        Self { title, is_number: false, rank }
    }

    pub(super) const fn number(title: &'static str, rank: u8) -> Self {
        Self { title, is_number: true, rank }
    }
}

/// State of a value, which determines its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Doubtful,
    Bad,
}

/// Cell of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    /// Number to sort by; `None`: the cell is sorted by its text.
    order: Option<f64>,
    pub(super) tone: Tone,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), order: None, tone: Tone::Plain }
    }

    /// Creates a cell of a number and its text. Zero is left blank, so that activity is visible at once.
    pub(super) fn number(number: f64, text: String) -> Self {
        let text = if number == 0.0 { "·".to_owned() } else { text };
        Self { text, order: Some(number), tone: Tone::Plain }
    }

    pub(super) fn count(count: u64) -> Self {
        Self::number(count as f64, short(count as f64))
    }

    pub(super) fn pace(each_second: f64) -> Self {
        Self::number(each_second, short(each_second))
    }

    /// Sets the tone of a number that should be zero.
    pub(super) fn toned(self, tone: Tone) -> Self {
        let is_nothing = self.order == Some(0.0);
        Self { tone: if is_nothing { Tone::Plain } else { tone }, ..self }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self.order, other.order) {
            (Some(one), Some(two)) => one.total_cmp(&two),
            _ => self.text.cmp(&other.text),
        }
    }
}

/// Number in at most five characters: `0.3`, `12`, `4.5k`, `12M`.
pub(super) fn short(number: f64) -> String {
    let (number, unit) = match number {
        number if number >= 999.5e9 => (number / 1e12, "T"),
        number if number >= 999.5e6 => (number / 1e9, "G"),
        number if number >= 999.5e3 => (number / 1e6, "M"),
        number if number >= 999.5 => (number / 1e3, "k"),
        number => (number, ""),
    };
    match number < 9.95 && number.fract() != 0.0 {
        true => format!("{number:.1}{unit}"),
        false => format!("{number:.0}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (0.26, "0.3"),
            (9.0, "9"),
            (12.4, "12"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (4_500.0, "4.5k"),
            (12_345_678.0, "12M"),
            (3.2e9, "3.2G"),
        ] {
            assert_eq!(short(number), text, "{number}");
        }
        assert!(short(999_900.0).len() <= 5);
    }
}
