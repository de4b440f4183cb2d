//! Comparison of two answers by meaning.

use std::fmt;

use regex_lite::Regex;
use serde_json::{Map, Value};

/// Place at which answers differ.
pub(super) struct Difference {
    place: String,
    words: String,
    theirs: String,
    ours: String,
}

impl Difference {
    pub(super) fn new(
        place: impl Into<String>,
        words: impl Into<String>,
        theirs: &Value,
        ours: &Value,
    ) -> Self {
        let short = |value: &Value| match value {
            Value::Null => String::new(),
            value => value.to_string().chars().take(300).collect(),
        };
        Self { place: place.into(), words: words.into(), theirs: short(theirs), ours: short(ours) }
    }

    /// Returns the place, with the indexes of lists removed.
    pub(super) fn general(&self) -> String {
        general(&self.place)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, words, theirs, ours } = self;
        write!(f, "{place} {words}\n    theirs: {theirs}\n    ours: {ours}")
    }
}

fn general(place: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for letter in place.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth > 0 => continue,
            _ => {}
        }
        out.push(letter);
    }
    out
}

/// Values that only need to have the same form: pattern of the place, and pattern of the value.
const FORMS: [(&str, &str); 5] = [
    (r".*", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|-----BEGIN [\s\S]+-----\n?"),
    (r".*(subscriptions\[\]\.id|[iI]nstanceId|hostname|clusterId)", r".+"),
    (r".*value|", r"\[(token )?blanked\]|[\w-]+\.[\w-]+\.[\w-]+"),
    (r".*(data|value|inlineBytes)", r"W2JsYW5rZWRd|[A-Za-z0-9+/\n]{40,}=*"),
    (r".*next", r"https?://[^/]+/.*"),
];

fn is_of_one_form(place: &str, theirs: &str, ours: &str) -> bool {
    let fits = |pattern: &str, text: &str| Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(text);
    let place = general(place);
    FORMS.iter().any(|(place_of, form)| fits(place_of, &place) && fits(form, theirs) && fits(form, ours))
}

/// Returns the places where `ours` does not mean the same as `theirs`. A member that only ours has differs unless it is
/// empty or zero.
pub(super) fn compare(theirs: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    at("", theirs, ours, &mut found);
    found
}

fn at(place: &str, theirs: &Value, ours: &Value, found: &mut Vec<Difference>) {
    match (theirs, ours) {
        _ if is_empty(theirs) && is_empty(ours) => {}
        (Value::Object(left), Value::Object(right)) => members(place, left, right, found),
        (Value::Array(left), Value::Array(right)) => items(place, left, right, found),
        (Value::String(left), Value::String(right)) => {
            if left != right
                && duration(left) != duration(right).or(Some(-1.0))
                && !is_of_one_form(place, left, right)
            {
                found.push(Difference::new(place, "differs", theirs, ours));
            }
        }
        _ if theirs == ours => {}
        _ => found.push(Difference::new(place, "differs", theirs, ours)),
    }
}

fn members(place: &str, left: &Map<String, Value>, right: &Map<String, Value>, found: &mut Vec<Difference>) {
    let inside = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    for (key, theirs) in left {
        match right.get(key) {
            Some(ours) => at(&inside(key), theirs, ours, found),
            None if is_empty(theirs) => {}
            None => found.push(Difference::new(inside(key), "is missing", theirs, &Value::Null)),
        }
    }
    for (key, ours) in right.iter().filter(|(key, ours)| !left.contains_key(*key) && !is_zero(ours)) {
        found.push(Difference::new(inside(key), "is ours alone", &Value::Null, ours));
    }
}

fn items(place: &str, left: &[Value], right: &[Value], found: &mut Vec<Difference>) {
    let names = |items: &[Value]| -> Option<Vec<String>> {
        let names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
        let distinct = names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len();
        distinct.then_some(names)
    };
    let numbers = |items: &[Value]| (0..items.len()).map(|at| at.to_string()).collect();
    let (theirs, ours): (Vec<String>, Vec<String>) = match (names(left), names(right)) {
        (Some(theirs), Some(ours)) => (theirs, ours),
        _ => (numbers(left), numbers(right)),
    };
    for (name, item) in theirs.iter().zip(left) {
        let place = format!("{place}[{name}]");
        match ours.iter().position(|it| it == name) {
            Some(index) => at(&place, item, &right[index], found),
            None => found.push(Difference::new(place, "is missing", item, &Value::Null)),
        }
    }
    for (name, item) in ours.iter().zip(right).filter(|(name, _)| !theirs.contains(name)) {
        found.push(Difference::new(format!("{place}[{name}]"), "is ours alone", &Value::Null, item));
    }
    let is_list =
        place.ends_with("items") && theirs.len() == ours.len() && theirs.iter().all(|it| ours.contains(it));
    if is_list && theirs != ours {
        found.push(Difference::new(place, "has another order", &theirs.into(), &ours.into()));
    }
}

/// Returns the identifying member of a list item; `None`: only its position identifies it.
fn name(item: &Value) -> Option<String> {
    if let Value::String(text) = item {
        return Some(text.clone());
    }
    let item = item.get("resourceMeta").unwrap_or(item);
    let parts =
        ["type", "policyType", "mesh", "name", "service"].map(|part| item.get(part).and_then(Value::as_str));
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().all(is_zero),
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
    }
}

/// Parses a duration into seconds: 24h and 24h0m0s are equal.
fn duration(text: &str) -> Option<f64> {
    let whole = Regex::new(r"^([\d.]+(ms|h|m|s))+$").unwrap();
    let part = Regex::new(r"([\d.]+)(ms|h|m|s)").unwrap();
    whole.is_match(text).then(|| {
        let seconds = |found: regex_lite::Captures<'_>| {
            let unit = match &found[2] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                _ => 0.001,
            };
            found[1].parse::<f64>().unwrap() * unit
        };
        part.captures_iter(text).map(seconds).sum()
    })
}

/// Compares title, detail, and the reason for each field. A text of ours may continue after theirs.
pub(super) fn compare_problems(theirs: &Value, ours: &Value) -> Vec<Difference> {
    let text = |value: &Value, key: &str| match &value[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut found = Vec::new();
    for key in ["type", "status", "title", "detail"] {
        if !text(ours, key).starts_with(&text(theirs, key)) {
            found.push(Difference::new(key, "differs", &theirs[key], &ours[key]));
        }
    }
    let wrong = |value: &Value| -> Vec<(String, String)> {
        let invalid = value["invalid_parameters"].as_array().cloned().unwrap_or_default();
        invalid.iter().map(|it| (text(it, "field"), text(it, "reason"))).collect()
    };
    let fits = |(field, reason): &(String, String), (theirs, words): &(String, String)| {
        field == theirs && reason.starts_with(words)
    };
    let (wrong, told) = (wrong(theirs), wrong(ours));
    for wanted in wrong.iter().filter(|wanted| !told.iter().any(|it| fits(it, wanted))) {
        let wanted = format!("{}: {}", wanted.0, wanted.1).into();
        found.push(Difference::new("invalid_parameters", "is missing", &wanted, &ours["invalid_parameters"]));
    }
    for other in told.iter().filter(|it| !wrong.iter().any(|wanted| fits(it, wanted))) {
        let other = format!("{}: {}", other.0, other.1).into();
        found.push(Difference::new("invalid_parameters", "is ours alone", &Value::Null, &other));
    }
    found
}
