//! Lines of OpenMetrics.

/// Line of OpenMetrics.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Name and help text of a metric.
    Help(&'a str, &'a str),
    /// Name and type of a metric.
    Type(&'a str, &'a str),
    /// Sample.
    Sample(Sample<'a>),
}

/// Sample: a value with its labels.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    /// Name, with the suffix of its type.
    pub(super) name: &'a str,
    pub(super) labels: Vec<(&'a str, String)>,
    pub(super) value: &'a str,
}

impl<'a> Line<'a> {
    /// Parses a line; `None`: it is not about a metric, or invalid.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        if let Some(told) = line.strip_prefix("# ") {
            let (what, rest) = told.split_once(' ')?;
            let (name, said) = rest.split_once(' ')?;
            return match what {
                "HELP" => Some(Self::Help(name, said)),
                "TYPE" => Some(Self::Type(name, said)),
                _ => None,
            };
        }
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = read_labels(inside, &mut labels)?;
        }
        let value = rest.split_whitespace().next()?;
        Some(Self::Sample(Sample { name, labels, value }))
    }
}

/// Parses labels up to their end, and returns the rest of the line.
fn read_labels<'a>(mut rest: &'a str, labels: &mut Vec<(&'a str, String)>) -> Option<&'a str> {
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Some(behind);
        }
        let (key, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquoted(quoted)?;
        labels.push((key, value));
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
}

/// Parses a text up to its closing quote, and returns the rest after it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}
