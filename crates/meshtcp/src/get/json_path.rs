//! `-o jsonpath=…`: kubectl's JSONPath templates, which differ from RFC 9535.
//!
//! ```text
//!  {.items[*].name}                                        values, joined by spaces; missing ones are empty
//!  {range .items[*]}{.name}{"\t"}{.mesh}{"\n"}{end}        for each
//!  {.items[?(@.mesh=="shop")].labels.kuma\.io/zone}        matching items; a dot in a key
//! ```

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::{Chars, FromStr};

use serde_json::Value;

/// Text with values in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Path(Path),
    /// Pieces inside, repeated for each value of a path.
    Range(Path, Vec<Piece>),
}

/// Path from a value to others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Keys(Vec<String>),
    Indexes(Vec<i64>),
    Slice {
        from: Option<i64>,
        to: Option<i64>,
        step: usize,
    },
    All,
    /// The value and everything below it.
    Below,
    Where(Path, Option<(Relation, Value)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

const RELATIONS: [(&str, Relation); 6] = [
    ("==", Relation::Equal),
    ("!=", Relation::Unequal),
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("<", Relation::Less),
    (">", Relation::More),
];

impl Template {
    /// Text of the template for a value.
    pub(super) fn of(&self, value: &Value) -> String {
        let mut text = String::new();
        write(&self.0, value, &mut text);
        text
    }
}

fn write(pieces: &[Piece], value: &Value, text: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(words) => text.push_str(words),
            Piece::Path(path) => text.push_str(&path.words(value, " ")),
            Piece::Range(path, inside) => {
                path.of(value).into_iter().for_each(|value| write(inside, value, text));
            }
        }
    }
}

impl Path {
    /// Values that the path leads to.
    pub(super) fn of<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        self.0.iter().fold(vec![value], |at, step| at.into_iter().flat_map(|value| step.of(value)).collect())
    }

    /// Values that the path leads to, as words with `between` between them.
    pub(super) fn words(&self, value: &Value, between: &str) -> String {
        let word = |value: &&Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.of(value).iter().map(word).collect::<Vec<_>>().join(between)
    }
}

impl Step {
    fn of<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
        match self {
            Self::Keys(keys) => keys.iter().filter_map(|key| value.get(key)).collect(),
            Self::Indexes(all) => {
                all.iter().filter_map(|at| items.get(usize::try_from(from_end(*at)).ok()?)).collect()
            }
            Self::Slice { from, to, step } => {
                let bound =
                    |at: Option<i64>, default| from_end(at.unwrap_or(default)).clamp(0, length) as usize;
                let (from, to) = (bound(*from, 0), to.map_or(items.len(), |to| bound(Some(to), length)));
                items.iter().take(to).skip(from).step_by(*step).collect()
            }
            Self::All => match value {
                Value::Object(members) => members.values().collect(),
                _ => items.iter().collect(),
            },
            Self::Below => {
                let mut all = vec![value];
                all.extend(Self::All.of(value).into_iter().flat_map(|below| self.of(below)));
                all
            }
            Self::Where(path, condition) => {
                let fits = |item: &&Value| {
                    let found = path.of(item);
                    match condition {
                        None => !found.is_empty(),
                        Some((relation, wanted)) => found.iter().any(|found| relation.holds(found, wanted)),
                    }
                };
                Self::All.of(value).into_iter().filter(fits).collect()
            }
        }
    }
}

impl Relation {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            (left, right) => match (left.as_f64(), right.as_f64()) {
                (Some(left), Some(right)) => left.partial_cmp(&right),
                _ => (left == right).then_some(Ordering::Equal),
            },
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::More => order == Some(Ordering::Greater),
            Self::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // a path alone is accepted, as in kubectl
        if !text.contains('{') {
            return Ok(Self(vec![Piece::Path(text.parse()?)]));
        }
        let mut letters = text.chars().peekable();
        let pieces = pieces(&mut letters, false)?;
        Ok(Self(pieces))
    }
}

impl FromStr for Path {
    type Err = String;

    /// Parses a path with or without braces around it, and with or without a dot in front.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let dotted =
            if bare.starts_with(['.', '[', '$', '@']) { bare.to_owned() } else { format!(".{bare}") };
        let mut letters = dotted.chars().peekable();
        let path = path(&mut letters)?;
        match letters.next() {
            None => Ok(path),
            Some(letter) => Err(format!("`{letter}` makes no sense in `{text}`")),
        }
    }
}

type Letters<'t> = Peekable<Chars<'t>>;

/// Parses pieces up to the end, or up to `{end}`.
fn pieces(letters: &mut Letters<'_>, in_range: bool) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        if letter != '{' {
            text.push(letter);
            continue;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        spaces(letters);
        match letters.peek() {
            Some('"' | '\'') => pieces.push(Piece::Text(quoted(letters)?)),
            Some(letter) if letter.is_alphabetic() => {
                let mut word = String::new();
                while let Some(letter) = letters.next_if(|letter| letter.is_alphabetic()) {
                    word.push(letter);
                }
                spaces(letters);
                match word.as_str() {
                    "range" => {
                        let path = path(letters)?;
                        closes(letters)?;
                        pieces.push(Piece::Range(path, self::pieces(letters, true)?));
                        continue;
                    }
                    "end" if in_range => {
                        closes(letters)?;
                        return Ok(pieces);
                    }
                    word => {
                        return Err(format!("`{word}` is neither range nor end: a path begins with a dot"));
                    }
                }
            }
            _ => pieces.push(Piece::Path(path(letters)?)),
        }
        closes(letters)?;
    }
    if in_range {
        return Err("a {range} has no {end}".to_owned());
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

fn spaces(letters: &mut Letters<'_>) {
    while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
}

fn closes(letters: &mut Letters<'_>) -> Result<(), String> {
    expects(letters, '}')
}

fn expects(letters: &mut Letters<'_>, wanted: char) -> Result<(), String> {
    spaces(letters);
    match letters.next() {
        Some(letter) if letter == wanted => Ok(()),
        Some(letter) => Err(format!("`{wanted}` is expected, not `{letter}`")),
        None => Err(format!("`{wanted}` is missing at the end")),
    }
}

fn quoted(letters: &mut Letters<'_>) -> Result<String, String> {
    let Some(quote) = letters.next() else { return Err("a text is missing".to_owned()) };
    let mut text = String::new();
    loop {
        match letters.next() {
            None => return Err(format!("{quote}{text} has no end")),
            Some(letter) if letter == quote => return Ok(text),
            Some('\\') => match letters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => return Err(format!("{quote}{text} has no end")),
            },
            Some(letter) => text.push(letter),
        }
    }
}

fn path(letters: &mut Letters<'_>) -> Result<Path, String> {
    letters.next_if(|letter| matches!(letter, '$' | '@'));
    let mut steps = Vec::new();
    loop {
        if letters.next_if_eq(&'.').is_some() {
            if letters.next_if_eq(&'.').is_some() {
                steps.push(Step::Below);
            }
            if letters.next_if_eq(&'*').is_some() {
                steps.push(Step::All);
                continue;
            }
            let key = key(letters);
            if !key.is_empty() {
                steps.push(Step::Keys(vec![key]));
            }
        } else if letters.next_if_eq(&'[').is_some() {
            steps.push(bracket(letters)?);
            expects(letters, ']')?;
        } else {
            return Ok(Path(steps));
        }
    }
}

fn key(letters: &mut Letters<'_>) -> String {
    let mut key = String::new();
    let ends = |letter: &char| letter.is_whitespace() || ".[]{}()=!<>,".contains(*letter);
    while let Some(letter) = letters.next_if(|letter| !ends(letter)) {
        // a backslash makes the next character literal
        key.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    key
}

fn bracket(letters: &mut Letters<'_>) -> Result<Step, String> {
    spaces(letters);
    match letters.peek() {
        Some('*') => {
            letters.next();
            Ok(Step::All)
        }
        Some('?') => {
            letters.next();
            expects(letters, '(')?;
            let condition = condition(letters)?;
            expects(letters, ')')?;
            Ok(condition)
        }
        Some('\'' | '"') => {
            let mut keys = vec![quoted(letters)?];
            while letters.next_if_eq(&',').is_some() {
                spaces(letters);
                keys.push(quoted(letters)?);
            }
            Ok(Step::Keys(keys))
        }
        _ => numbers(letters),
    }
}

fn numbers(letters: &mut Letters<'_>) -> Result<Step, String> {
    let mut text = String::new();
    while let Some(letter) = letters.next_if(|letter| letter.is_ascii_digit() || "-,: ".contains(*letter)) {
        text.push(letter);
    }
    let wrong = || format!("`[{text}]` has no number: write [0], [-1], [0,2], [1:3] or ['key']");
    let number = |text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse::<i64>().map(Some).map_err(|_| wrong()),
    };
    if text.contains(':') {
        let parts = text.split(':').map(number).collect::<Result<Vec<_>, _>>()?;
        let step = parts.get(2).copied().flatten().unwrap_or(1);
        let step = usize::try_from(step).ok().filter(|step| *step > 0).ok_or_else(wrong)?;
        let part = |at: usize| parts.get(at).copied().flatten();
        return Ok(Step::Slice { from: part(0), to: part(1), step });
    }
    let all = text.split(',').map(|text| number(text)?.ok_or_else(wrong)).collect::<Result<_, _>>()?;
    Ok(Step::Indexes(all))
}

fn condition(letters: &mut Letters<'_>) -> Result<Step, String> {
    spaces(letters);
    let left = path(letters)?;
    spaces(letters);
    let mut sign = String::new();
    while let Some(letter) = letters.next_if(|letter| "=!<>".contains(*letter)) {
        sign.push(letter);
    }
    if sign.is_empty() {
        return Ok(Step::Where(left, None));
    }
    let found = RELATIONS.iter().find(|(written, _)| *written == sign);
    let (_, relation) =
        found.ok_or_else(|| format!("`{sign}` compares nothing: write ==, !=, <, <=, > or >="))?;
    spaces(letters);
    let right = match letters.peek() {
        Some('\'' | '"') => Value::String(quoted(letters)?),
        _ => {
            let mut word = String::new();
            while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace() && *letter != ')') {
                word.push(letter);
            }
            serde_json::from_str(&word).map_err(|_| format!("`{word}` is no value: put text in quotes"))?
        }
    };
    Ok(Step::Where(left, Some((*relation, right))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mesh() -> Value {
        json!({ "total": 3, "items": [
            { "name": "a", "mesh": "shop", "labels": { "kuma.io/zone": "east" }, "ports": [{ "port": 80 }] },
            { "name": "b", "mesh": "depot", "ports": [{ "port": 81 }, { "port": 82 }] },
            { "name": "c", "mesh": "shop", "ports": [] },
        ] })
    }

    #[test]
    fn templates_are_those_of_kubectl() {
        for (template, text) in [
            ("{.items[*].name}", "a b c"),
            (".items[*].name", "a b c"),
            ("{.items[0].name}-{.items[-1].name}", "a-c"),
            ("{range .items[*]}{.name}{\"\\t\"}{.mesh}{\"\\n\"}{end}", "a\tshop\nb\tdepot\nc\tshop\n"),
            ("{.items[?(@.mesh==\"shop\")].name}", "a c"),
            ("{.items[?(@.mesh!='shop')].name}", "b"),
            ("{.items[?(@.labels)].name}", "a"),
            ("{.items[?(@.ports[0].port > 80)].name}", "b"),
            ("{.items[0].labels.kuma\\.io/zone}", "east"),
            ("{.items[0].labels['kuma.io/zone']}", "east"),
            ("{.items[0]['name','mesh']}", "a shop"),
            ("{.items[0:2].name} {.items[1:].name} {.items[::2].name} {.items[0,2].name}", "a b b c a c a c"),
            ("{..port}", "80 81 82"),
            ("{.items[1].ports}", "[{\"port\":81},{\"port\":82}]"),
            ("total: {.total}{$.nothing}", "total: 3"),
            ("{range .items[*]}{range .ports[*]}{.port};{end}|{end}", "80;|81;82;||"),
            ("{.items[*].ports[*].*}", "80 81 82"),
        ] {
            let read: Template = template.parse().unwrap_or_else(|why| panic!("{template}: {why}"));
            assert_eq!(read.of(&mesh()), text, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_what_to_write() {
        for (template, why) in [
            ("{.items[*}", "`]` is expected"),
            ("{.items", "`}` is missing"),
            ("{range .items[*]}{.name}", "no {end}"),
            ("{end}", "neither range nor end"),
            ("{.items[x]}", "has no number"),
            ("{.items[?(@.a=1)]}", "compares nothing"),
            ("{.items[?(@.a==b)]}", "put text in quotes"),
            ("{\"x}", "has no end"),
            ("{.items[::0]}", "has no number"),
        ] {
            let error = template.parse::<Template>().unwrap_err();
            assert!(error.contains(why), "{template}: {error}");
        }
    }
}
