//! Parsed content of one text, wherever it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::draft::{self, Document, Options};
use model::{FieldPath, Problem, Problems, Resource, ResourceKey, Severity, Violation};

/// Content of a file, or of another text of documents. Immutable: a changed file is new content.
#[derive(Clone, Debug)]
pub struct Content {
    /// Bytes of the text.
    pub bytes: Vec<u8>,
    /// Resources, in the order of the file.
    pub entries: Vec<Arc<Entry>>,
    /// All problems of the content on its own.
    pub problems: Problems,
    /// Number of documents of a kind that is unknown, or not in the profile. Each is one of the errors among the
    /// problems, and implies nothing about the others.
    pub strangers: usize,
    readable: bool,
}

/// Resource of a file, with the position of each of its parts.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Document.
    pub document: Document,
    /// Parsed resource.
    pub resource: Arc<Resource>,
}

impl Content {
    /// Parses a file. Never fails: all errors become problems.
    pub fn read(name: &str, bytes: &[u8], options: &Options) -> Self {
        let (documents, mut problems) = draft::read_bytes(name, bytes);
        let (mut entries, mut strangers) = (Vec::new(), 0);
        for document in documents {
            let parsed = draft::parse(&document, options);
            strangers += usize::from(parsed.is_stranger);
            problems.append(parsed.problems);
            if let Some(resource) = parsed.resource {
                entries.push(Arc::new(Entry { document, resource: Arc::new(resource) }));
            }
        }
        let mut content = Self { bytes: bytes.to_vec(), entries, problems, strangers, readable: true };
        content.refuse_repetition();
        content
    }

    /// Content of a file that exists and cannot be read.
    pub fn unreadable(name: &str, why: &str) -> Self {
        let problems = Problems::from_iter([problem_of(name, format!("cannot be read: {why}"))]);
        Self { bytes: Vec::new(), entries: Vec::new(), problems, strangers: 0, readable: false }
    }

    /// Returns `true` if its bytes could be read.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Creates content of these parts, as [`Content::read`] would have made it.
    pub fn of(bytes: &[u8], entries: Vec<Arc<Entry>>, problems: Problems) -> Self {
        let mut content = Self { bytes: bytes.to_vec(), entries, problems, strangers: 0, readable: true };
        content.refuse_repetition();
        content
    }

    /// Returns `true` if it may come into force: it has no error. Warnings do not block.
    pub fn is_good(&self) -> bool {
        !self.problems.has_errors()
    }

    /// Returns `true` if it would be good without its [strangers](Content::strangers).
    pub fn is_good_beside_strangers(&self) -> bool {
        self.problems.errors() <= self.strangers
    }

    /// Text, with a mark in place of invalid UTF-8.
    pub fn text(&self) -> Arc<str> {
        String::from_utf8_lossy(&self.bytes).into()
    }

    fn refuse_repetition(&mut self) {
        let mut first: BTreeMap<ResourceKey, &Arc<Entry>> = BTreeMap::new();
        let mut repeated = Vec::new();
        for entry in &self.entries {
            match first.get(&entry.resource.key()) {
                Some(earlier) => repeated.push(entry.repeats(earlier)),
                None => {
                    first.insert(entry.resource.key(), entry);
                }
            }
        }
        self.problems.extend(repeated);
    }
}

impl Entry {
    /// Problem of being the second resource with this name.
    pub fn repeats(&self, first: &Entry) -> Problem {
        Problem {
            source: self.document.source().clone(),
            position: self.name_position(),
            severity: Severity::Error,
            resource: Some(self.resource.describe()),
            violation: Violation::new(
                FieldPath::default(),
                format!("{} is already defined at {}", self.resource.describe(), first.place()),
            ),
            help: Some("rename or remove one of the two; until then the first stays in force".into()),
        }
    }

    /// Position of the resource's name, or else of its beginning.
    pub fn name_position(&self) -> Option<model::violation::Position> {
        let root = FieldPath::root();
        let value = self.document.value();
        if value.get("name").is_some() {
            return self.document.position(&root.field("name"));
        }
        if value.get("metadata").is_some() {
            return self.document.position(&root.field("metadata").field("name"));
        }
        self.document.start()
    }

    /// `file:line:column` of its name.
    pub fn place(&self) -> String {
        let file = self.document.source();
        match self.name_position() {
            Some(at) => format!("{file}:{}:{}", at.line, at.column),
            None => file.to_string(),
        }
    }
}

/// Problem with a whole source, without a position in it.
pub fn problem_of(source: &str, message: impl Into<String>) -> Problem {
    Problem {
        source: source.into(),
        position: None,
        severity: Severity::Error,
        resource: None,
        violation: Violation::new(FieldPath::root(), message),
        help: None,
    }
}
