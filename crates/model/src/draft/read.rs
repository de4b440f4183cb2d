//! Reading of text into documents.

use crate::draft::document::{Document, Reading};
use crate::draft::source::{Source, Spot};
use crate::draft::{json, yaml};
use crate::problems::Problems;

/// Reads a text: YAML with any number of documents, or JSON with any number of values in sequence.
///
/// Always returns: a document that cannot be read is left out and gets a problem with its position. The documents
/// of a YAML text are split at their `---` lines before anything else, so a broken one hides no other. A document
/// that can be read but should not be trusted (a duplicate key) is returned, and [`Document::is_broken`].
pub fn read(source: &str, text: &str) -> (Vec<Document>, Problems) {
    let mut reading = Reading::of(Source::new(source, text));
    if !json::is_likely(&reading.source) {
        yaml::read(&mut reading);
        return (reading.documents, reading.problems);
    }
    json::read(&mut reading);
    if !reading.problems.is_empty() && !source.ends_with(".json") {
        // `{type: Mesh}` is YAML, though it begins like JSON. Text that is neither gets the errors of what it looks
        // like.
        let mut second = Reading::of(Source::new(source, text));
        yaml::read(&mut second);
        if !second.documents.is_empty() || !json::is_quoted(&reading.source) {
            reading = second;
        }
    }
    (reading.documents, reading.problems)
}

/// As [`read`], for bytes that may not be UTF-8: then nothing is read, and the one problem says where.
pub fn read_bytes(source: &str, bytes: &[u8]) -> (Vec<Document>, Problems) {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(source, text),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let mut reading = Reading::of(Source::new(source, &String::from_utf8_lossy(valid)));
            let spot = Spot { offset: error.valid_up_to(), length: 0 };
            reading.problem(spot, "is not UTF-8 text", Some("save the file with the encoding UTF-8"));
            (Vec::new(), reading.problems)
        }
    }
}
