//! YAML text to documents.
//!
//! The scanner is a dependency; the meaning of its scalars is ours (see [`scalar`]), and so are duplicate keys, the
//! budget of aliases, and the isolation of broken documents.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use crate::draft::document::{Children, Place, Reading};
use crate::draft::scalar;
use crate::draft::source::Spot;

/// Limit on nesting depth: far more than any resource has, far less than a stack holds.
pub(crate) const MAX_DEPTH: usize = 100;

/// Limit on the length of a key, in bytes. Every problem below it names it.
pub(crate) const MAX_KEY_BYTES: usize = 4096;

/// Limit on what aliases may add to one text: a few short lines can otherwise mean billions of values, or of bytes.
const MAX_ALIASED: Size = Size { values: 100_000, bytes: 4 << 20 };

/// Size of a value, with everything in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    values: usize,
    /// Bytes of texts and keys.
    bytes: usize,
}

impl Size {
    fn since(self, before: Self) -> Self {
        Self { values: self.values - before.values, bytes: self.bytes - before.bytes }
    }
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, more: Self) {
        self.values += more.values;
        self.bytes += more.bytes;
    }
}

/// Reads all documents of the source.
pub(crate) fn read(reading: &mut Reading) {
    let source = reading.source.clone();
    let mut aliased = Size::default();
    for (base, chunk) in chunks(&source.text) {
        let mut builder = Builder {
            events: Parser::new_from_str(chunk),
            offsets: Offsets::new(base, chunk),
            anchors: BTreeMap::new(),
            read: Size::default(),
            open_anchors: 0,
            aliased,
            broken: false,
            reading,
        };
        // Stopped means that a problem was reported, and that what follows in this chunk cannot be told apart from
        // it.
        let (Ok(()) | Err(Stopped)) = builder.documents();
        aliased = builder.aliased;
    }
}

/// Splits a text at its `---` lines, with offsets; without parts that consist of comments.
fn chunks(text: &str) -> Vec<(usize, &str)> {
    let begins = |line: &str| {
        line.strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let bom = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut starts = vec![bom];
    let mut offset = bom;
    for line in text.get(bom..).unwrap_or_default().split_inclusive('\n') {
        if begins(line) && offset != bom {
            starts.push(offset);
        }
        offset += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let parts = starts.iter().zip(ends).filter_map(|(start, end)| Some((*start, text.get(*start..end)?)));
    let says_something = |part: &str| {
        part.lines().any(|line| {
            let line = line.strip_prefix("---").unwrap_or(line).trim();
            !line.is_empty() && !line.starts_with(['#', '%'])
        })
    };
    parts.filter(|(_, part)| says_something(part)).collect()
}

/// Error: reading this chunk ended early, with a reported problem.
struct Stopped;

struct Anchor {
    value: Value,
    place: Place,
    size: Size,
}

struct Builder<'a, 'r> {
    events: Parser<'a, StrInput<'a>>,
    offsets: Offsets<'a>,
    anchors: BTreeMap<usize, Anchor>,
    /// Size of all that was read so far, with repetitions by aliases.
    read: Size,
    /// Number of open values with an anchor.
    open_anchors: usize,
    aliased: Size,
    broken: bool,
    reading: &'r mut Reading,
}

impl<'a> Builder<'a, '_> {
    fn documents(&mut self) -> Result<(), Stopped> {
        while let Some((event, span)) = self.next()? {
            match event {
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                Event::Alias(_) | Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                    self.broken = false;
                    let (value, place) = self.node(event, span, 0)?;
                    if !value.is_null() {
                        self.reading.document(value, place, self.broken);
                    }
                }
                Event::SequenceEnd | Event::MappingEnd => {}
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Stopped> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                let spot = Spot { offset: self.offsets.byte(error.marker().index()), length: 0 };
                let line = self.reading.source.line_at(spot.offset);
                let indent = line.len() - line.trim_start().len();
                let help = if line.get(..indent).is_some_and(|blank| blank.contains('\t')) {
                    "indent with spaces: YAML does not allow tabs there"
                } else if error.info().contains("byte order mark") {
                    "a file may begin with such a mark, but not a document: remove it, it is three bytes that editors do not show"
                } else {
                    "look at the indentation and the quotes of this line and of the line above it"
                };
                self.reading.problem(spot, format!("is not YAML: {}", error.info()), Some(help));
                Err(Stopped)
            }
        }
    }

    fn member(&mut self) -> Result<(Event<'a>, Span), Stopped> {
        self.next()?.ok_or(Stopped)
    }

    fn stop<T>(&mut self, spot: Spot, message: String, help: &str) -> Result<T, Stopped> {
        self.reading.problem(spot, message, Some(help));
        Err(Stopped)
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Value, Place), Stopped> {
        let spot = self.offsets.spot(span);
        if depth > MAX_DEPTH {
            let message = format!("is nested deeper than {MAX_DEPTH} values");
            return self.stop(
                spot,
                message,
                "no resource is that deep: look for a bracket that is never closed",
            );
        }
        let before = self.read;
        self.read.values += 1;
        let opens =
            matches!(event, Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) if anchor != 0);
        self.open_anchors += usize::from(opens);
        let (anchor, value, below) = match event {
            Event::Alias(id) => return self.alias(id, spot),
            Event::Scalar(text, style, anchor, tag) => {
                self.read.bytes += text.len();
                (anchor, scalar(&text, style, tag.as_deref()), Children::Nothing)
            }
            Event::SequenceStart(anchor, _) => {
                let (value, below) = self.sequence(depth)?;
                (anchor, value, below)
            }
            Event::MappingStart(anchor, _) => {
                let (value, below) = self.mapping(depth)?;
                (anchor, value, below)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => (0, Value::Null, Children::Nothing),
        };
        let place = Place { key: None, value: spot, below };
        self.open_anchors -= usize::from(opens);
        if anchor != 0 {
            let size = self.read.since(before);
            // each of the anchors around it keeps a copy too
            if self.open_anchors > 0 {
                self.spend(size, spot)?;
            }
            self.anchors.insert(anchor, Anchor { value: value.clone(), place: place.clone(), size });
        }
        Ok((value, place))
    }

    fn alias(&mut self, id: usize, spot: Spot) -> Result<(Value, Place), Stopped> {
        let Some(anchor) = self.anchors.get(&id) else {
            let help = "an alias can only repeat what ended before it";
            return self.stop(spot, "repeats a value that contains it".into(), help);
        };
        let size = anchor.size;
        self.read += size;
        self.spend(size, spot)?;
        let Some(anchor) = self.anchors.get(&id) else { return Err(Stopped) };
        Ok((anchor.value.clone(), Place { value: spot, ..anchor.place.clone() }))
    }

    /// Takes a size from the budget of aliases.
    fn spend(&mut self, size: Size, spot: Spot) -> Result<(), Stopped> {
        self.aliased += size;
        let Size { values, bytes } = MAX_ALIASED;
        let too_many = if self.aliased.values > values {
            format!("{values} values")
        } else if self.aliased.bytes > bytes {
            format!("{bytes} bytes")
        } else {
            return Ok(());
        };
        let message = format!("the aliases of this document repeat more than {too_many}");
        self.stop(spot, message, "write the values out, or use fewer aliases of aliases")
    }

    fn sequence(&mut self, depth: usize) -> Result<(Value, Children), Stopped> {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        loop {
            let (event, span) = self.member()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Value::Array(values), Children::Items(places)));
            }
            let (value, place) = self.node(event, span, depth + 1)?;
            values.push(value);
            places.push(place);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<(Value, Children), Stopped> {
        let (mut values, mut places) = (Map::new(), BTreeMap::<String, Place>::new());
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.member()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key_spot = self.offsets.spot(span);
            let (key, is_merge) = self.key(event, key_spot)?;
            let (event, span) = self.member()?;
            let (value, place) = self.node(event, span, depth + 1)?;
            if is_merge {
                merged.push((value, place));
                continue;
            }
            if let Some(first) = places.get(&key) {
                let line = self.reading.source.line(first.key.unwrap_or(first.value).offset);
                let help = match key.as_str() {
                    "type" | "apiVersion" if depth == 0 => {
                        format!("it is already in line {line}: put a line `---` between two resources")
                    }
                    _ => format!("it is already in line {line}: keep one of them"),
                };
                self.reading.problem(key_spot, format!("the key `{key}` is there twice"), Some(&help));
                self.broken = true;
            }
            // The last one wins, as in the reference, where stored documents may have such keys.
            places.insert(key.clone(), Place { key: Some(key_spot), ..place });
            values.insert(key, value);
        }
        for (value, place) in merged {
            merge(&mut values, &mut places, value, place);
        }
        Ok((Value::Object(values), Children::Members(places)))
    }

    /// Returns the text of a key, and `true` if it is the merge key `<<`.
    fn key(&mut self, event: Event<'a>, spot: Spot) -> Result<(String, bool), Stopped> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                if text.len() > MAX_KEY_BYTES {
                    return self.stop(spot, key_too_long(text.len()), KEY_HELP);
                }
                self.read.bytes += text.len();
                if anchor != 0 {
                    let size = Size { values: 1, bytes: text.len() };
                    let value = Value::String(text.to_string());
                    let place = Place { value: spot, ..Place::default() };
                    self.anchors.insert(anchor, Anchor { value, place, size });
                }
                let is_merge = text == "<<" && matches!(style, ScalarStyle::Plain);
                Ok((text.into_owned(), is_merge))
            }
            Event::Alias(id) => match self.anchors.get(&id).map(|anchor| &anchor.value) {
                Some(Value::String(text)) if text.len() <= MAX_KEY_BYTES => {
                    let text = text.clone();
                    self.read.bytes += text.len();
                    let size = Size { values: 1, bytes: text.len() };
                    self.spend(size, spot)?;
                    Ok((text, false))
                }
                Some(Value::String(text)) => {
                    let message = key_too_long(text.len());
                    self.stop(spot, message, KEY_HELP)
                }
                _ => self.stop(spot, "is a key that is no text".into(), "write the key out"),
            },
            _ if self.is_template(spot) => self.stop(
                spot,
                "is a template that was not filled in".into(),
                "fill it in first, with what the file is a template for: helm template, envsubst, jinja2 or the like; if the \
                 braces are meant, quote them",
            ),
            _ => self.stop(
                spot,
                "is a key that is no text".into(),
                "quote it, if it begins with a bracket or brace",
            ),
        }
    }
}

impl Builder<'_, '_> {
    /// Returns `true` if there are two braces, as in templates of many tools.
    fn is_template(&self, spot: Spot) -> bool {
        let text = &self.reading.source.text;
        [spot.offset, spot.offset.saturating_sub(1)]
            .into_iter()
            .any(|at| text.get(at..).is_some_and(|rest| rest.starts_with("{{")))
    }
}

/// Message for a key that is too long, with help.
pub(crate) fn key_too_long(bytes: usize) -> String {
    format!("is a key of {bytes} bytes: a key has {MAX_KEY_BYTES} at most")
}
pub(crate) const KEY_HELP: &str =
    "no resource has such keys: look for a quote or a line break that is missing";

/// Adds the members that a merge key `<<` refers to, unless the object has them itself.
fn merge(values: &mut Map<String, Value>, places: &mut BTreeMap<String, Place>, value: Value, place: Place) {
    match (value, place.below) {
        (Value::Object(more), Children::Members(mut more_places)) => {
            for (key, value) in more {
                if !values.contains_key(&key) {
                    places.insert(key.clone(), more_places.remove(&key).unwrap_or_default());
                    values.insert(key, value);
                }
            }
        }
        (Value::Array(items), Children::Items(item_places)) => {
            for (item, item_place) in items.into_iter().zip(item_places) {
                if item.is_object() {
                    merge(values, places, item, item_place);
                }
            }
        }
        _ => {}
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let as_text = || Value::String(text.to_owned());
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => as_text(),
        Some(tag)
            if tag.is_yaml_core_schema()
                && matches!(tag.suffix.as_str(), "int" | "float" | "bool" | "null") =>
        {
            scalar::resolve(text)
        }
        Some(_) | None => match style {
            ScalarStyle::Plain => scalar::resolve(text),
            ScalarStyle::SingleQuoted
            | ScalarStyle::DoubleQuoted
            | ScalarStyle::Literal
            | ScalarStyle::Folded => as_text(),
        },
    }
}

/// Converter from the scanner's character positions to byte offsets of the source.
struct Offsets<'a> {
    base: usize,
    chunk: &'a str,
    /// Byte offset of every [`Offsets::STRIDE`]th character; empty for ASCII.
    every: Vec<usize>,
}

impl<'a> Offsets<'a> {
    const STRIDE: usize = 64;

    fn new(base: usize, chunk: &'a str) -> Self {
        let every = match chunk.is_ascii() {
            true => Vec::new(),
            false => chunk.char_indices().step_by(Self::STRIDE).map(|(at, _)| at).collect(),
        };
        Self { base, chunk, every }
    }

    fn byte(&self, character: usize) -> usize {
        if self.every.is_empty() {
            return self.base + character.min(self.chunk.len());
        }
        let Some(start) = self.every.get(character / Self::STRIDE) else {
            return self.base + self.chunk.len();
        };
        let rest = self.chunk.get(*start..).unwrap_or_default();
        let more = rest.char_indices().nth(character % Self::STRIDE).map_or(rest.len(), |(at, _)| at);
        self.base + start + more
    }

    fn spot(&self, span: Span) -> Spot {
        let offset = self.byte(span.start.index());
        Spot { offset, length: self.byte(span.end.index()).saturating_sub(offset) }
    }
}
