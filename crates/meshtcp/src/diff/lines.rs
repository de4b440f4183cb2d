//! Line-by-line difference of two texts, in the format of `diff -u`.

/// Number of equal lines shown around a difference.
const AROUND: usize = 3;

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const CYAN: &str = "\u{1b}[36m";
const PLAIN: &str = "\u{1b}[0m";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'t> {
    Same(&'t str),
    Gone(&'t str),
    New(&'t str),
}

/// Difference of two texts; empty if they are equal. With colours, which the printer removes if the output is no
/// terminal.
pub(super) fn unified(name: &str, before: &str, after: &str) -> String {
    let lines = compare(&before.lines().collect::<Vec<_>>(), &after.lines().collect::<Vec<_>>());
    if lines.iter().all(|line| matches!(line, Line::Same(_))) {
        return String::new();
    }
    let in_force = if before.is_empty() { "nothing" } else { "in force" };
    let proposed = if after.is_empty() { "nothing" } else { "proposed" };
    let mut text = format!("{RED}--- {name} ({in_force}){PLAIN}\n{GREEN}+++ {name} ({proposed}){PLAIN}\n");
    for (start, end) in hunks(&lines) {
        let count = |wanted: fn(&Line<'_>) -> bool, upto: &[Line<'_>]| {
            upto.iter().filter(|line| wanted(line)).count()
        };
        let old = |line: &Line<'_>| !matches!(line, Line::New(_));
        let new = |line: &Line<'_>| !matches!(line, Line::Gone(_));
        let hunk = lines.get(start..end).unwrap_or_default();
        let ahead = lines.get(..start).unwrap_or_default();
        let place = |wanted: fn(&Line<'_>) -> bool| {
            let (first, length) = (count(wanted, ahead), count(wanted, hunk));
            format!("{},{length}", if length == 0 { first } else { first + 1 })
        };
        text.push_str(&format!("{CYAN}@@ -{} +{} @@{PLAIN}\n", place(old), place(new)));
        for line in hunk {
            text.push_str(&match line {
                Line::Same(line) => format!(" {line}\n"),
                Line::Gone(line) => format!("{RED}-{line}{PLAIN}\n"),
                Line::New(line) => format!("{GREEN}+{line}{PLAIN}\n"),
            });
        }
    }
    text
}

/// Ranges of lines with a difference in them, and the lines around it.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    let different = lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Same(_)));
    for (at, _) in different {
        let (start, end) = (at.saturating_sub(AROUND), (at + 1 + AROUND).min(lines.len()));
        match hunks.last_mut() {
            Some((_, last)) if start <= *last => *last = end,
            _ => hunks.push((start, end)),
        }
    }
    hunks
}

/// Longest common subsequence, between the equal lines at the beginning and at the end.
fn compare<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<Line<'t>> {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let tail =
        before[head..].iter().rev().zip(after[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&before[head..before.len() - tail], &after[head..after.len() - tail]);
    let width = new.len() + 1;
    let mut longest = vec![0u32; (old.len() + 1) * width];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            longest[i * width + j] = match a == b {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let mut lines: Vec<Line<'t>> = before[..head].iter().map(|line| Line::Same(line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len()
            && (j == new.len() || longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            lines.push(Line::Gone(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines.extend(before[before.len() - tail..].iter().map(|line| Line::Same(line)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(before: &str, after: &str) -> String {
        let text = unified("x", before, after);
        [RED, GREEN, CYAN, PLAIN].iter().fold(text, |text, colour| text.replace(colour, ""))
    }

    #[test]
    fn differences_stand_between_equal_lines() {
        assert_eq!(
            plain("a\nb\nc\nd\ne\nf\ng\nh\n", "a\nb\nc\nd\nE\nf\ng\nh\ni\n"),
            "--- x (in force)\n+++ x (proposed)\n@@ -2,7 +2,8 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n+i\n"
        );
        assert_eq!(plain("", "a\n"), "--- x (nothing)\n+++ x (proposed)\n@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(plain("a\n", "a\n"), "");
    }

    #[test]
    fn both_texts_can_be_read_back() {
        for (a, b) in [("a\nb\nc", "b\nc\nd"), ("", "x"), ("x\nx\ny", "x\ny\ny"), ("q", "")] {
            let lines = compare(&a.lines().collect::<Vec<_>>(), &b.lines().collect::<Vec<_>>());
            let side = |skip: fn(&Line<'_>) -> bool| -> Vec<&str> {
                let kept = lines.iter().filter(|line| !skip(line));
                kept.map(|line| match line {
                    Line::Same(t) | Line::Gone(t) | Line::New(t) => *t,
                })
                .collect()
            };
            assert_eq!(side(|line| matches!(line, Line::New(_))), a.lines().collect::<Vec<_>>());
            assert_eq!(side(|line| matches!(line, Line::Gone(_))), b.lines().collect::<Vec<_>>());
        }
    }
}
