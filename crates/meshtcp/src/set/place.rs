//! Place in a document, and its new value: `spec.to[ledger].rules[0].default.backendRefs[ledger-2].weight=20`.
//!
//! ```text
//!  .MEMBER  ["MEMBER"]  .ME\.MBER      of an object; created if it is missing
//!  [0]  [NAME]  [+]                    of a list: by index, by the item's name or target, or a new item at the end
//!  PLACE=VALUE  PLACE-                 a value as one line of YAML; removal
//! ```

use std::fmt;
use std::iter::Peekable;
use std::str::{Chars, FromStr};

use serde_json::{Map, Value};

use crate::backends::is_named;

/// One change of a document, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    place: Vec<Step>,
    /// New value; `None`: the present one is removed.
    value: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
    Named(String),
    New,
}

const SYNTAX: &str = "write PLACE=VALUE, such as spec.to[0].rules[0].default.backendRefs[redis-v2].weight=10, or PLACE- to take it out";

/// Members that map text to text, whatever a value looks like.
const TEXTS: [&str; 2] = ["labels", "tags"];

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let change = match read_place(text) {
            Some((place, Some(value))) => Some(Self { place, value: Some(value) }),
            _ => text
                .strip_suffix('-')
                .and_then(read_place)
                .and_then(|(place, value)| value.is_none().then_some(Self { place, value: None })),
        };
        let sound = change.filter(|change| is_sound(&change.place));
        sound.ok_or_else(|| format!("`{text}` is no change: {SYNTAX}"))
    }
}

/// Parses a place, and the value behind it if there is one.
fn read_place(text: &str) -> Option<(Vec<Step>, Option<String>)> {
    let mut letters = text.chars().peekable();
    let mut place = vec![Step::Member(word(&mut letters))];
    loop {
        match letters.peek() {
            None => return Some((place, None)),
            Some('[') => place.push(in_brackets(&mut letters)?),
            Some('.') => {
                letters.next();
                place.push(Step::Member(word(&mut letters)));
            }
            Some('=') => return Some((place, Some(letters.skip(1).collect()))),
            // text follows a bracket
            Some(_) => return None,
        }
    }
}

fn is_sound(place: &[Step]) -> bool {
    !place.contains(&Step::Member(String::new()))
}

/// Parses a member's name; a backslash makes the next character literal.
fn word(letters: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(letter) = letters.next_if(|letter| !matches!(letter, '.' | '[' | '=')) {
        match letter {
            '\\' => word.extend(letters.next()),
            letter => word.push(letter),
        }
    }
    word
}

fn in_brackets(letters: &mut Peekable<Chars<'_>>) -> Option<Step> {
    letters.next();
    if let Some(quote) = letters.next_if(|letter| matches!(letter, '"' | '\'')) {
        let mut name = String::new();
        loop {
            match letters.next()? {
                letter if letter == quote => break,
                letter => name.push(letter),
            }
        }
        return (letters.next()? == ']').then_some(Step::Member(name));
    }
    let mut name = String::new();
    loop {
        match letters.next()? {
            ']' => break,
            letter => name.push(letter),
        }
    }
    match name.as_str() {
        "" => None,
        "+" => Some(Step::New),
        name => Some(name.parse().map_or_else(|_| Step::Named(name.to_owned()), Step::Item)),
    }
}

impl Change {
    /// Makes the change.
    ///
    /// # Errors
    /// Reason in words: the place does not exist.
    pub(super) fn make(&self, document: &mut Value) -> Result<(), String> {
        let Self { place, value } = self;
        let Some((last, way)) = place.split_last() else { return Ok(()) };
        let mut at = document;
        for (passed, step) in way.iter().enumerate() {
            let here = || Shown(&place[..=passed]);
            at = match step {
                // a place that is to be removed need not be created
                Step::Member(name) if value.is_none() && at.get(name).is_none() => {
                    return Err(format!("there is no {}", here()));
                }
                Step::Member(name) => {
                    members(at, &place[..passed])?.entry(name.clone()).or_insert(Value::Null)
                }
                Step::New => {
                    let items = items(at, &place[..passed])?;
                    items.push(Value::Null);
                    items.last_mut().ok_or_else(|| format!("there is no {}", here()))?
                }
                Step::Item(_) | Step::Named(_) => {
                    let items = items(at, &place[..passed])?;
                    let found = found(items, step, &here())?;
                    &mut items[found]
                }
            };
        }
        let around = &place[..place.len() - 1];
        match (last, value) {
            (Step::Member(name), Some(text)) => {
                let members = members(at, around)?;
                let value = match around.last() {
                    Some(Step::Member(map)) if TEXTS.contains(&map.as_str()) => text.as_str().into(),
                    _ => read(text, members.get(name)),
                };
                members.insert(name.clone(), value);
            }
            (Step::Member(name), None) => {
                let members = at.as_object_mut().filter(|members| members.contains_key(name));
                members.ok_or_else(|| format!("there is no {}", Shown(place)))?.remove(name);
            }
            (Step::New, Some(text)) => items(at, around)?.push(read(text, None)),
            (Step::New, None) => return Err(format!("{} is not there yet", Shown(place))),
            (Step::Item(_) | Step::Named(_), value) => {
                let items = items(at, around)?;
                let found = found(items, last, &Shown(place))?;
                match value {
                    Some(text) => items[found] = read(text, items.get(found)),
                    None => drop(items.remove(found)),
                }
            }
        }
        Ok(())
    }
}

/// Members of an object; a missing one is created.
fn members<'v>(at: &'v mut Value, place: &[Step]) -> Result<&'v mut Map<String, Value>, String> {
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    match at {
        Value::Object(members) => Ok(members),
        Value::Array(_) => Err(format!("{0} is a list: say which item, {0}[0] or {0}[NAME]", Shown(place))),
        _ => Err(format!("{} is no object", Shown(place))),
    }
}

/// Items of a list; a missing one is created.
fn items<'v>(at: &'v mut Value, place: &[Step]) -> Result<&'v mut Vec<Value>, String> {
    if at.is_null() {
        *at = Value::Array(Vec::new());
    }
    at.as_array_mut().ok_or_else(|| format!("{} is no list", Shown(place)))
}

/// Index of an item.
fn found(items: &[Value], step: &Step, place: &Shown<'_>) -> Result<usize, String> {
    let names = || items.iter().map(called).collect::<Vec<_>>().join(", ");
    let is_meant = |item: &Value, name: &str| is_named(item, name) || item["targetRef"]["name"] == name;
    match step {
        Step::Item(at) if *at < items.len() => Ok(*at),
        Step::Named(name) => {
            let found: Vec<usize> = (0..items.len()).filter(|at| is_meant(&items[*at], name)).collect();
            match found.as_slice() {
                [one] => Ok(*one),
                [] => Err(format!("there is no {place}: there are {}", names())),
                _ => Err(format!("{place} are {} items: say which by its number", found.len())),
            }
        }
        _ => Err(format!("there is no {place}: there are {} items, and [+] is a new one", items.len())),
    }
}

/// Name of an item of a list, or what it is for.
fn called(item: &Value) -> String {
    let name = item["name"].as_str().or_else(|| item["targetRef"]["name"].as_str());
    name.map_or_else(|| item.to_string(), str::to_owned)
}

/// Parses a value. A value that replaces text is text.
fn read(text: &str, before: Option<&Value>) -> Value {
    let line = format!("value: {text}\n");
    let (documents, problems) = model::draft::read_bytes("value", line.as_bytes());
    let read = match documents.as_slice() {
        [document] if !problems.has_errors() => document.value().get("value").cloned(),
        _ => None,
    };
    match read {
        Some(Value::Number(_) | Value::Bool(_)) if before.is_some_and(Value::is_string) => text.into(),
        Some(read) => read,
        None => text.into(),
    }
}

/// Place in its written form.
struct Shown<'p>(&'p [Step]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the document");
        }
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if name.contains(['.', '[', '=']) => write!(f, "[\"{name}\"]")?,
                Step::Member(name) if at == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Item(at) => write!(f, "[{at}]")?,
                Step::Named(name) => write!(f, "[{name}]")?,
                Step::New => f.write_str("[+]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route() -> Value {
        json!({ "name": "r", "labels": { "team": "shop" }, "spec": { "to": [
            { "targetRef": { "kind": "MeshService", "name": "redis" }, "rules": [{ "default": { "backendRefs": [
                { "kind": "MeshService", "name": "redis", "weight": 90 },
                { "kind": "MeshService", "name": "redis-v2", "port": 1, "weight": 10 },
            ] } }] },
        ] } })
    }

    #[test]
    fn places_lead_to_members_and_items() {
        const REFS: &str = "/spec/to/0/rules/0/default/backendRefs";
        let refs = "spec.to[redis].rules[0].default.backendRefs";
        for (change, pointer, value) in [
            (format!("{refs}[1].weight=20"), format!("{REFS}/1/weight"), json!(20)),
            (format!("{refs}[redis-v2].weight=20"), format!("{REFS}/1/weight"), json!(20)),
            (format!("{refs}[redis-v2:1].name=x"), format!("{REFS}/1/name"), json!("x")),
            (format!("{refs}[+]={{kind: MeshService, name: new}}"), format!("{REFS}/2/name"), json!("new")),
            (format!("{refs}[+].name=new"), format!("{REFS}/2/name"), json!("new")),
            ("labels.team=7".to_owned(), "/labels/team".to_owned(), json!("7")),
            ("labels.is-new=yes".to_owned(), "/labels/is-new".to_owned(), json!("yes")),
            ("name=true".to_owned(), "/name".to_owned(), json!("true")),
            (
                "labels[\"meshtcp.io/existing\"]=keep".to_owned(),
                "/labels/meshtcp.io~1existing".to_owned(),
                json!("keep"),
            ),
            (
                r"labels.meshtcp\.io/existing=keep".to_owned(),
                "/labels/meshtcp.io~1existing".to_owned(),
                json!("keep"),
            ),
            ("spec.new.deep=[1, a]".to_owned(), "/spec/new/deep".to_owned(), json!([1, "a"])),
            ("spec.host=*.example.com:80".to_owned(), "/spec/host".to_owned(), json!("*.example.com:80")),
            ("spec.equation=a=b".to_owned(), "/spec/equation".to_owned(), json!("a=b")),
        ] {
            let mut document = route();
            change
                .parse::<Change>()
                .and_then(|it| it.make(&mut document))
                .unwrap_or_else(|why| panic!("{change}: {why}"));
            assert_eq!(document.pointer(&pointer), Some(&value), "{change}: {document}");
        }
        for (change, gone) in
            [("labels.team-", "/labels/team"), ("spec.to[redis]-", "/spec/to/0"), ("labels-", "/labels")]
        {
            let mut document = route();
            change.parse::<Change>().unwrap().make(&mut document).unwrap();
            assert_eq!(document.pointer(gone), None, "{change}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_told_with_what_is_there() {
        for (change, why) in [
            ("spec.to[1].x=1", "there is no spec.to[1]: there are 1 items"),
            ("spec.to[nope].x=1", "there is no spec.to[nope]: there are redis"),
            ("spec.to.x=1", "spec.to is a list: say which item, spec.to[0]"),
            ("name.x=1", "name is no object"),
            ("spec[0]=1", "spec is no list"),
            ("labels.nope-", "there is no labels.nope"),
            ("nope.x-", "there is no nope"),
        ] {
            let told = change.parse::<Change>().and_then(|it| it.make(&mut route())).unwrap_err();
            assert!(told.contains(why), "{change}: {told}");
        }
        for text in ["", "=1", "weight", "[0]=1", "a..b=1", "a[=1", "a[]=1", "a[\"b\"x]=1", "-"] {
            assert!(text.parse::<Change>().is_err(), "{text}");
        }
    }
}
