//! JSON text to documents: as strict as RFC 8259, but with several values in sequence.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::draft::document::{Children, Place, Reading};
use crate::draft::source::{Source, Spot};
use crate::draft::yaml::{MAX_DEPTH, MAX_KEY_BYTES, key_too_long};

/// Returns `true` if a text is meant as JSON: by its first character.
pub(crate) fn is_likely(source: &Source) -> bool {
    source.text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '['])
}

/// Returns `true` if the first token after the first bracket is valid there in JSON.
pub(crate) fn is_quoted(source: &Source) -> bool {
    let inside = source.text.trim_start_matches(['\u{feff}', '{', '[', ' ', '\t', '\r', '\n']);
    inside.starts_with(['"', '}', ']'])
}

/// Reads all values of the source. The first error ends it: what follows cannot be told apart from what is broken.
pub(crate) fn read(reading: &mut Reading) {
    let source = reading.source.clone();
    let at = if source.text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut cursor = Cursor { text: &source.text, at, broken: false, reading };
    loop {
        cursor.blank();
        if cursor.at >= cursor.text.len() {
            return;
        }
        cursor.broken = false;
        match cursor.value(0) {
            Ok((value, place)) => {
                let broken = cursor.broken;
                cursor.reading.document(value, place, broken);
            }
            Err(Bad { at, message }) => {
                let help = "check the commas, quotes and brackets before this place";
                return cursor.reading.problem(Spot { offset: at, length: 0 }, message, Some(help));
            }
        }
    }
}

struct Bad {
    at: usize,
    message: String,
}

struct Cursor<'t, 'r> {
    text: &'t str,
    at: usize,
    broken: bool,
    reading: &'r mut Reading,
}

impl Cursor<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn bad<T>(&self, wanted: &str) -> Result<T, Bad> {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = found.map_or_else(|| "the end of the text".into(), |c| format!("`{c}`"));
        Err(Bad { at: self.at, message: format!("is not JSON: {wanted} is expected, not {found}") })
    }

    fn value(&mut self, depth: usize) -> Result<(Value, Place), Bad> {
        if depth > MAX_DEPTH {
            return Err(Bad { at: self.at, message: format!("is nested deeper than {MAX_DEPTH} values") });
        }
        let start = self.at;
        let (value, below) = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => (Value::String(self.string()?), Children::Nothing),
            Some(b'-' | b'0'..=b'9') => (Value::Number(self.number()?), Children::Nothing),
            Some(b'a'..=b'z') => (self.word()?, Children::Nothing),
            _ => return self.bad("a value"),
        };
        let spot = Spot { offset: start, length: self.at - start };
        Ok((value, Place { key: None, value: spot, below }))
    }

    fn object(&mut self, depth: usize) -> Result<(Value, Children), Bad> {
        let (mut values, mut places) = (Map::new(), BTreeMap::<String, Place>::new());
        self.at += 1;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok((Value::Object(values), Children::Members(places)));
        }
        loop {
            self.blank();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.bad("a key in double quotes");
            }
            let key = self.string()?;
            if key.len() > MAX_KEY_BYTES {
                return Err(Bad { at: start, message: key_too_long(key.len()) });
            }
            let key_spot = Spot { offset: start, length: self.at - start };
            self.blank();
            if self.peek() != Some(b':') {
                return self.bad("`:`");
            }
            self.at += 1;
            self.blank();
            let (value, place) = self.value(depth + 1)?;
            if let Some(first) = places.get(&key) {
                let line = self.reading.source.line(first.key.unwrap_or(first.value).offset);
                let help = format!("it is already in line {line}: keep one of them");
                self.reading.problem(key_spot, format!("the key `{key}` is there twice"), Some(&help));
                self.broken = true;
            }
            // The last one wins, as in the reference, where stored documents may have such keys.
            places.insert(key.clone(), Place { key: Some(key_spot), ..place });
            values.insert(key, value);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok((Value::Object(values), Children::Members(places)));
                }
                _ => return self.bad("`,` or `}`"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(Value, Children), Bad> {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        self.at += 1;
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok((Value::Array(values), Children::Items(places)));
        }
        loop {
            self.blank();
            let (value, place) = self.value(depth + 1)?;
            values.push(value);
            places.push(place);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok((Value::Array(values), Children::Items(places)));
                }
                _ => return self.bad("`,` or `]`"),
            }
        }
    }

    /// Finds the end of the literal; its content is left to serde_json.
    fn string(&mut self) -> Result<String, Bad> {
        let start = self.at;
        let mut end = start + 1;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'\\' => end += 2,
                b'"' => break,
                _ => end += 1,
            }
        }
        let literal = self.text.get(start..=end);
        let Some(text) = literal.and_then(|literal| serde_json::from_str(literal).ok()) else {
            return Err(Bad { at: start, message: "is not JSON: this text is not a string".into() });
        };
        self.at = end + 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<Number, Bad> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length =
            rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let Some(number) = rest.get(..length).and_then(|literal| serde_json::from_str(literal).ok()) else {
            return self.bad("a number");
        };
        self.at += length;
        Ok(number)
    }

    fn word(&mut self) -> Result<Value, Bad> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.bad("a value")
    }
}
