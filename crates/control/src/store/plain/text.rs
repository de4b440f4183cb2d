//! Text of a stored document as a file: a line with its version, then the document.

use jiff::Timestamp;
use model::ResourceKey;
use serde_json::Value;

use crate::store::{Revision, Stored};
use crate::yaml;

/// Beginning of the first line.
const STAMP: &str = "# meshtcp version ";

/// Parsed file.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) key: ResourceKey,
    pub(super) document: Value,
    /// Stamp from when it was written here; `None`: people wrote it, or changed it since.
    pub(super) stamp: Option<Stamp>,
}

/// Information about a document in the first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) version: Revision,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
}

/// Renders the text of a stored document. It parses as the same document.
pub(super) fn of(stored: &Stored) -> String {
    let Stored { key: _, document, version, created, modified } = stored;
    let hash = hash(document);
    let text = yaml::exact(document);
    format!("{STAMP}{version}, created {created}, modified {modified}, content {hash}\n{text}")
}

/// Parses the text of a file.
///
/// # Errors
/// In words: it is not one resource.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Read, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is no text: {error}"))?;
    // JSON has no comments; without this one all positions stay the same
    let json = text.starts_with(STAMP).then(|| text.split_once('\n')).flatten().map(|(_, rest)| rest);
    let json = json.filter(|rest| rest.starts_with('{'));
    let document = yaml::read_one(name, json.unwrap_or(text))?;
    let key = ResourceKey::of_document(&document).map_err(|why| why.to_string())?;
    let stamp = stamp(text.lines().next().unwrap_or_default(), &document);
    Ok(Read { key, document, stamp })
}

/// Parses a first line; `None`: it is not about this document.
fn stamp(line: &str, document: &Value) -> Option<Stamp> {
    let rest = line.strip_prefix(STAMP)?;
    let (version, rest) = rest.split_once(", created ")?;
    let (created, rest) = rest.split_once(", modified ")?;
    let (modified, content) = rest.split_once(", content ")?;
    let stamp = Stamp {
        version: Revision::new(version.parse().ok()?),
        created: created.parse().ok()?,
        modified: modified.parse().ok()?,
    };
    (content == hash(document)).then_some(stamp)
}

fn hash(document: &Value) -> String {
    xds::Version::of(document.to_string().as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_reads_back_and_a_change_by_hand_is_seen() {
        let document = json!({ "type": "Mesh", "name": "shop", "labels": { "a": "1", "n": "no" }, "x": [u64::MAX, 1e300] });
        let key = ResourceKey::of_document(&document).unwrap();
        let now: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let stored = Stored { key, document, version: Revision::new(7), created: now, modified: now };
        let text = of(&stored);
        let back = read("x.yaml", text.as_bytes()).unwrap();
        assert_eq!(back.document, stored.document);
        assert_eq!(back.stamp, Some(Stamp { version: Revision::new(7), created: now, modified: now }));
        let edited = text.replace("shop", "store");
        assert_eq!(read("x.yaml", edited.as_bytes()).unwrap().stamp, None);
        let written = read("x.yaml", b"# mine\ntype: Mesh\nname: shop\n").unwrap();
        assert_eq!(written.stamp, None);
        for (text, why) in [
            ("", "no resource"),
            ("type: Mesh\nname: a\n---\ntype: Mesh\nname: b\n", "2 resources"),
            ("type: Car\nname: a\n", "`type`"),
            ("type: Mesh\nname: [", "x.yaml"),
        ] {
            let error = read("x.yaml", text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
