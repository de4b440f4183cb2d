//! An object, read field by field.
//!
//! A reader is a list of fields. A value of another type than expected is noted and reads as absent; a field that
//! was not read is noted as unknown when the [`Fields`] are dropped, with a suggestion. `null` is the same as
//! absent, as everywhere in the reference.
//!
//! ```
//! use meshtcp_model::draft::{Fields, Findings, read};
//!
//! let (documents, _) = read("f.yaml", "address: 10.0.0.7\ninbound: [{port: 80, tags: {version: 1}}]\nadress: oops\n");
//! let findings = Findings::new(&documents[0]);
//! let mut networking = Fields::of(&findings);
//! assert_eq!(networking.string("address"), "10.0.0.7");
//! let ports = networking.list("inbound", |mut inbound| {
//!     assert_eq!(inbound.map::<Vec<_>>("tags"), Some(vec![("version".into(), "1".into())]));
//!     let port = inbound.number::<u32>("port").unwrap_or_default();
//!     if port != 443 {
//!         inbound.violate("port", "must be 443");
//!     }
//!     port
//! });
//! assert_eq!(ports, [80]);
//! drop(networking);
//! let (violations, notes) = findings.into_parts();
//! assert_eq!(violations[0].to_string(), "inbound[0].port: must be 443");
//! assert_eq!(notes[0].help.as_deref(), Some("did you mean `address`?"));
//! ```

use serde_json::{Map, Number, Value};

use crate::draft::asked::FieldType;
use crate::draft::findings::{Findings, Note, NoteSort};
use crate::draft::{nearest, scalar};
use crate::violation::{FieldPath, Violation};

/// Object of a document, and the record of its fields that were read. Absent objects have no fields, but a path.
#[derive(Debug)]
pub struct Fields<'d> {
    object: Option<&'d Map<String, Value>>,
    path: FieldPath,
    seen: Vec<&'d str>,
    rest_is_known: bool,
    /// `true`: numbers may be quoted, also in objects inside.
    takes_quoted_numbers: bool,
    findings: &'d Findings<'d>,
}

impl<'d> Fields<'d> {
    /// The fields of the whole document.
    pub fn of(findings: &'d Findings<'d>) -> Self {
        Self::at_value(Some(findings.document().value()), FieldPath::root(), findings)
    }

    fn at_value(value: Option<&'d Value>, path: FieldPath, findings: &'d Findings<'d>) -> Self {
        let object = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(other) => {
                findings.note(wrong_type(path.clone(), "an object", other));
                None
            }
        };
        Self { object, path, seen: Vec::new(), rest_is_known: false, takes_quoted_numbers: false, findings }
    }

    /// Accepts quoted whole numbers from here on, as in the JSON of protobuf messages (spec 10 §B.3).
    pub(crate) fn take_quoted_numbers(&mut self) {
        self.takes_quoted_numbers = true;
    }

    fn inside(&self, value: Option<&'d Value>, path: FieldPath) -> Fields<'d> {
        let mut inside = Fields::at_value(value, path, self.findings);
        inside.takes_quoted_numbers = self.takes_quoted_numbers;
        inside
    }

    /// An object that does not exist.
    pub(crate) fn absent(path: FieldPath, findings: &'d Findings<'d>) -> Self {
        Self::at_value(None, path, findings)
    }

    /// Path of the object.
    pub fn path(&self) -> &FieldPath {
        &self.path
    }

    /// Returns the path of a field of the object.
    pub fn at(&self, name: &str) -> FieldPath {
        self.path.field(name)
    }

    /// Returns `true` if the object itself exists.
    pub fn is_present(&self) -> bool {
        self.object.is_some()
    }

    /// Returns `true` if a field exists and is not null. It does not become read by that.
    pub fn has(&self, name: &str) -> bool {
        self.object.and_then(|object| object.get(name)).is_some_and(|value| !value.is_null())
    }

    /// Names of all fields that exist, in the order of the text.
    pub fn names(&self) -> impl Iterator<Item = &'d str> + use<'d> {
        self.object.into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Reads a field as it is, of any type; `None`: absent.
    pub fn value(&mut self, name: &'d str) -> Option<&'d Value> {
        self.asked(name, FieldType::Any)
    }

    /// As [`Fields::value`], for a field that must have a type.
    fn asked(&mut self, name: &'d str, sort: FieldType) -> Option<&'d Value> {
        self.findings.asked(|| self.path.field(name), sort);
        self.seen.push(name);
        self.object.and_then(|object| object.get(name)).filter(|value| !value.is_null())
    }

    /// Reads a field as a tree that is kept as written; null: absent.
    pub fn json(&mut self, name: &'d str) -> Value {
        self.value(name).cloned().unwrap_or_default()
    }

    /// Reads a text field; `None`: absent or empty, which mean the same nearly everywhere.
    pub fn text(&mut self, name: &'d str) -> Option<String> {
        let value = self.asked(name, FieldType::Text)?;
        text_of(value, &self.path.field(name), self.findings).filter(|text| !text.is_empty())
    }

    /// Reads a text field; empty if absent.
    pub fn string(&mut self, name: &'d str) -> String {
        self.text(name).unwrap_or_default()
    }

    /// Reads a boolean field.
    pub fn flag(&mut self, name: &'d str) -> Option<bool> {
        match self.asked(name, FieldType::Flag)? {
            Value::Bool(flag) => Some(*flag),
            other => self.mistyped(name, "true or false", other),
        }
    }

    /// Reads a field with a non-negative whole number: `number::<u16>("port")`.
    ///
    /// Where the reference has a message for numbers out of range, read a wide type and check afterwards.
    pub fn number<T: TryFrom<u64>>(&mut self, name: &'d str) -> Option<T> {
        let value = self.asked(name, FieldType::Whole)?;
        let Some(number) = self.written_number(value) else {
            return self.mistyped(name, "a whole number", value);
        };
        let whole = number.as_u64().or_else(|| whole(number.as_f64()?));
        let fits = whole.and_then(|whole| T::try_from(whole).ok());
        if fits.is_none() {
            self.unreadable(name, format!("{number} is no whole number that is allowed here"));
        }
        fits
    }

    /// Reads a field with a whole number that may be negative.
    pub fn signed(&mut self, name: &'d str) -> Option<i64> {
        let value = self.asked(name, FieldType::Signed)?;
        let number = self.written_number(value).and_then(|number| {
            number.as_i64().or_else(|| number.as_f64().and_then(whole).and_then(|n| i64::try_from(n).ok()))
        });
        match number {
            Some(number) => Some(number),
            None => self.mistyped(name, "a whole number", value),
        }
    }

    /// Reads a field that is one of some words. Another word is noted with the known ones, and reads as absent.
    pub fn choice<T: Copy>(&mut self, name: &'d str, words: &[(&str, T)]) -> Option<T> {
        self.findings.asked_with(|| self.path.field(name), || FieldType::Word(all(words)));
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = nearest::help(&text, known.iter().copied());
            self.error(name, format!("`{text}` is not one of {}", known.join(", ")), help);
        }
        found
    }

    /// Reads a field that is a list of words, as [`Fields::choice`]; `None`: absent, which is not the same as
    /// empty.
    pub fn choices<T: Copy>(&mut self, name: &'d str, words: &[(&str, T)]) -> Option<Vec<T>> {
        self.findings.asked_with(|| self.path.field(name), || FieldType::Words(all(words)));
        if !self.has(name) {
            return None;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let path = self.path.field(name);
        let mut chosen = Vec::new();
        for (at, text) in self.texts(name).into_iter().enumerate() {
            match words.iter().find(|(word, _)| *word == text) {
                Some((_, meaning)) => chosen.push(*meaning),
                None => self.findings.note(Note {
                    sort: NoteSort::Error,
                    path: path.index(at),
                    message: format!("`{text}` is not one of {}", known.join(", ")),
                    help: nearest::help(&text, known.iter().copied()),
                }),
            }
        }
        Some(chosen)
    }

    /// Reads a field that is an object; without fields if absent.
    pub fn object(&mut self, name: &'d str) -> Fields<'d> {
        let value = self.asked(name, FieldType::Object);
        self.inside(value, self.path.field(name))
    }

    /// Reads a field that is a list of objects, one [`Fields`] per item; empty if absent.
    pub fn items(&mut self, name: &'d str) -> Vec<Fields<'d>> {
        let path = self.path.field(name);
        let items = self.array(name, FieldType::Items).iter().enumerate();
        items.map(|(at, item)| self.inside(Some(item), path.index(at))).collect()
    }

    /// Reads a field that is a list of objects, each by `read`; empty if absent.
    pub fn list<T>(&mut self, name: &'d str, read: impl FnMut(Fields<'d>) -> T) -> Vec<T> {
        self.items(name).into_iter().map(read).collect()
    }

    /// Reads a field that is a list of texts; empty if absent.
    pub fn texts(&mut self, name: &'d str) -> Vec<String> {
        let path = self.path.field(name);
        let items = self.array(name, FieldType::Texts).iter().enumerate();
        items.filter_map(|(at, item)| text_of(item, &path.index(at), self.findings)).collect()
    }

    /// Reads a field that maps texts to texts, such as `Tags` or `Labels`; `None`: absent, which is not the same as
    /// empty.
    pub fn map<M: FromIterator<(String, String)>>(&mut self, name: &'d str) -> Option<M> {
        let value = self.asked(name, FieldType::Map)?;
        let path = self.path.field(name);
        let Value::Object(members) = value else { return self.mistyped(name, "an object of texts", value) };
        let pairs = members.iter().filter_map(|(key, value)| {
            let value = match value {
                Value::Null => String::new(),
                value => text_of(value, &path.key(key), self.findings)?,
            };
            Some((key.clone(), value))
        });
        Some(pairs.collect())
    }

    /// Marks fields as known that have no effect here.
    pub fn known(&mut self, names: &[&'d str]) {
        names.iter().for_each(|name| self.findings.asked(|| self.path.field(*name), FieldType::Any));
        self.seen.extend(names);
    }

    /// Marks all other fields of the object as known.
    pub fn know_the_rest(&mut self) {
        self.findings.asked(|| self.path.clone(), FieldType::Open);
        self.rest_is_known = true;
    }

    /// Adds a violation of a rule of the reference at a field.
    pub fn violate(&self, name: &str, message: impl Into<String>) {
        self.violate_at(self.path.field(name), message);
    }

    /// Adds a violation of a rule of the reference at the object itself.
    pub fn violate_here(&self, message: impl Into<String>) {
        self.violate_at(self.path.clone(), message);
    }

    /// Adds a violation of a rule of the reference at any path.
    pub fn violate_at(&self, path: FieldPath, message: impl Into<String>) {
        self.findings.violate(Violation::new(path, message));
    }

    /// Adds an error at a field that is not a rule of the reference.
    pub fn error(&self, name: &str, message: impl Into<String>, help: Option<String>) {
        let path = self.path.field(name);
        self.findings.note(Note { sort: NoteSort::Error, path, message: message.into(), help });
    }

    /// Adds a warning at a field.
    pub fn warn(&self, name: &str, message: impl Into<String>, help: Option<String>) {
        let path = self.path.field(name);
        self.findings.note(Note { sort: NoteSort::Warning, path, message: message.into(), help });
    }

    /// Findings of the document so far.
    pub fn findings(&self) -> &'d Findings<'d> {
        self.findings
    }

    /// Returns the number that a value is, or the whole number in its quotes.
    fn written_number(&self, value: &Value) -> Option<Number> {
        match value {
            Value::Number(number) => Some(number.clone()),
            Value::String(text) if self.takes_quoted_numbers => {
                let number = text.parse::<i64>().map(Number::from);
                number.or_else(|_| text.parse::<u64>().map(Number::from)).ok()
            }
            _ => None,
        }
    }

    fn unreadable(&self, name: &str, message: String) {
        let path = self.path.field(name);
        self.findings.note(Note { sort: NoteSort::Unreadable, path, message, help: None });
    }

    fn array(&mut self, name: &'d str, sort: FieldType) -> &'d [Value] {
        match self.asked(name, sort) {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(other) => self.mistyped(name, "a list", other).unwrap_or(&[]),
        }
    }

    fn mistyped<T>(&self, name: &str, wanted: &str, found: &Value) -> Option<T> {
        self.findings.note(wrong_type(self.path.field(name), wanted, found));
        None
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        let Some(object) = self.object.filter(|_| !self.rest_is_known) else { return };
        for name in object.keys().filter(|name| !self.seen.contains(&name.as_str())) {
            self.findings.note_with(NoteSort::UnknownField, || Note {
                sort: NoteSort::UnknownField,
                path: self.path.field(name),
                message: "no such field".into(),
                help: nearest::help(name, self.seen.iter().copied()).or_else(|| extension_help(name)),
            });
        }
    }
}

/// Returns help for a key that other tools ignore, so that people keep anchors below it.
fn extension_help(name: &str) -> Option<String> {
    let help = "an anchor needs no key of its own: give it where it is used first, as in `tags: &common {…}`";
    name.starts_with("x-").then(|| help.to_owned())
}

/// Returns the text of a value. A number where text belongs is read as written, which may differ from its value.
fn text_of(value: &Value, path: &FieldPath, findings: &Findings<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let written = findings.document().written(path);
            let same = written.filter(|text| scalar::number(text).as_ref() == Some(number));
            Some(same.map_or_else(|| number.to_string(), str::to_owned))
        }
        other => {
            findings.note(wrong_type(path.clone(), "text", other));
            None
        }
    }
}

/// Returns the words of a choice.
fn all<T>(words: &[(&str, T)]) -> Vec<String> {
    words.iter().map(|(word, _)| (*word).to_owned()).collect()
}

/// Returns the whole number that a float is, if it is one and not negative.
pub(crate) fn whole(number: f64) -> Option<u64> {
    // 2^53: below it every whole number is exact.
    let exact = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
    exact.then_some(number as u64)
}

fn wrong_type(path: FieldPath, wanted: &str, found: &Value) -> Note {
    let (found, help) = match found {
        Value::Null => ("nothing".to_owned(), None),
        Value::Bool(_) if wanted == "text" => (
            "a boolean".to_owned(),
            Some("quote it: unquoted, yes, no, on, off, true and false are booleans".to_owned()),
        ),
        Value::Bool(_) => ("a boolean".to_owned(), None),
        Value::Number(_) => ("a number".to_owned(), None),
        Value::String(text) if wanted == "a whole number" => no_number(text),
        Value::String(_) => ("text".to_owned(), None),
        Value::Array(_) if wanted == "an object" => {
            ("a list".to_owned(), Some("remove the `-` in front of it".to_owned()))
        }
        Value::Array(_) => ("a list".to_owned(), None),
        Value::Object(_) if wanted == "a list" => {
            ("an object".to_owned(), Some("put `- ` in front of it".to_owned()))
        }
        Value::Object(_) => ("an object".to_owned(), None),
    };
    let message = format!("must be {wanted}, but is {found}");
    Note { sort: NoteSort::Unreadable, path, message, help }
}

/// Describes a text where a number belongs, with help.
fn no_number(text: &str) -> (String, Option<String>) {
    match text {
        "" => ("empty text".to_owned(), Some("write a number, or leave the field out".to_owned())),
        text if text.parse::<u64>().is_ok() => {
            ("text".to_owned(), Some("write it without quotes".to_owned()))
        }
        text => (format!("`{text}`, which is no number"), scalar::number_help(text)),
    }
}
