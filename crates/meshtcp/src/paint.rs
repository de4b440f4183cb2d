//! Colours for lists: headings, and states that are good, doubtful or bad. The text without them says the same.

const HEADING: &str = "\u{1b}[1m";
const OFF: &str = "\u{1b}[0m";

/// Tone of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Well,
    Doubtful,
    Bad,
}

impl Tone {
    fn colour(self) -> &'static str {
        match self {
            Self::Well => "\u{1b}[32m",
            Self::Doubtful => "\u{1b}[33m",
            Self::Bad => "\u{1b}[31m",
        }
    }

    /// Tone of a cell with a state, or with numbers of places by state.
    fn of(cell: &str) -> Option<Self> {
        let tone = |word: &str| match word {
            "in sync" | "live" | "up" | "ok" => Some(Self::Well),
            "pending" | "waiting" | "not attached" | "unchecked" | "warn" | "without effect" => {
                Some(Self::Doubtful)
            }
            "refuses" | "refused" | "down" | "ejected" | "fail" => Some(Self::Bad),
            _ => None,
        };
        let uncounted = |part: &'_ str| match part.split_once(' ') {
            Some((number, rest)) if number.parse::<u64>().is_ok() => tone(rest),
            _ => tone(part),
        };
        let tones: Option<Vec<Self>> = cell.split(", ").map(uncounted).collect();
        let tones = tones?;
        [Self::Bad, Self::Doubtful, Self::Well].into_iter().find(|tone| tones.contains(tone))
    }
}

/// Returns a list with its colours.
pub(crate) fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
    let cells = cells(text);
    let is_heading = |cell: &str| cell.contains(char::is_alphabetic) && !cell.contains(char::is_lowercase);
    if !cells.is_empty() && cells.iter().all(|(cell, _)| is_heading(cell)) {
        return format!("{HEADING}{text}{OFF}{end}");
    }
    let cell = |(cell, gap): (&str, &str)| match Tone::of(cell) {
        Some(tone) => format!("{}{cell}{OFF}{gap}", tone.colour()),
        None => format!("{cell}{gap}"),
    };
    cells.into_iter().map(cell).chain([end.to_owned()]).collect()
}

/// Cells of a line, each with the gap behind it: two or more spaces.
fn cells(line: &str) -> Vec<(&str, &str)> {
    let mut cells = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find("  ").unwrap_or(rest.len());
        let (cell, behind) = rest.split_at(end);
        let (gap, next) = behind.split_at(behind.len() - behind.trim_start_matches(' ').len());
        cells.push((cell, gap));
        rest = next;
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_states_are_painted_and_nothing_is_lost() {
        let text = "PROXY  STATE    RUNS\nweb-1  in sync  7\nweb-2  1 live, 2 refused\nlive is a word\n\n";
        let drawn = painted(text);
        assert_eq!(
            drawn,
            "\u{1b}[1mPROXY  STATE    RUNS\u{1b}[0m\nweb-1  \u{1b}[32min sync\u{1b}[0m  7\nweb-2  \u{1b}[31m1 live, 2 \
             refused\u{1b}[0m\nlive is a word\n\n"
        );
        assert_eq!(anstream::adapter::strip_str(&drawn).to_string(), text);
    }
}
