//! Content of secrets that guard permissions. An unreadable one is never treated as absent.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Decodes the bytes of a secret: base64, possibly wrapped into lines as `base64` does. `None`: it cannot be decoded.
pub(crate) fn bytes(document: &Value) -> Option<Vec<u8>> {
    let text = document["data"].as_str()?;
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

/// Ids of revoked tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revocations {
    /// These ids; may be empty.
    Ids(BTreeSet<String>),
    /// The list is unreadable: any token may be revoked.
    Unreadable,
}

impl Revocations {
    /// Parses a list: ids separated by commas or white space.
    pub(super) fn read(document: &Value) -> Self {
        let text = bytes(document).and_then(|bytes| String::from_utf8(bytes).ok());
        let is_separator = |c: char| c == ',' || c.is_whitespace();
        match text {
            // an id has no such characters: this is text of another encoding, or no text
            Some(text) if !text.chars().any(|c| c.is_control() && !is_separator(c)) => {
                Self::Ids(text.split(is_separator).filter(|id| !id.is_empty()).map(str::to_owned).collect())
            }
            Some(_) | None => Self::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(data: Value) -> Revocations {
        Revocations::read(&json!({ "data": data }))
    }

    /// Encodes as `base64` does, with lines of a width.
    fn folded(text: &[u8], width: usize) -> String {
        let encoded = STANDARD.encode(text);
        encoded.as_bytes().chunks(width).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
    }

    #[test]
    fn a_list_that_is_none_revokes_everything() {
        let utf16: Vec<u8> = "a,b".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for data in [
            json!("a,b"),
            json!("YWI"),
            json!("YW!i"),
            json!("YWI=YWI="),
            json!(STANDARD.encode([0xff, 0xfe, b'a'])),
            json!(STANDARD.encode(utf16)),
            json!(5),
            json!(["YWI="]),
            json!(null),
        ] {
            assert_eq!(read(data.clone()), Revocations::Unreadable, "{data}");
        }
        assert_eq!(Revocations::read(&json!({})), Revocations::Unreadable);
    }

    #[test]
    fn an_empty_list_revokes_nothing() {
        for data in ["", "\n", "LAo="] {
            assert_eq!(read(json!(data)), Revocations::Ids(BTreeSet::new()), "{data:?}");
        }
    }

    proptest! {
        /// Each id in a list is found, however the list is written.
        #[test]
        fn every_id_of_a_list_is_revoked(
            ids in proptest::collection::btree_set("[a-f0-9-]{1,40}", 0..9),
            separator in prop::sample::select(vec![",", ", ", "\n", ",\r\n", " ,\t"]),
            width in 1usize..100,
        ) {
            let text = ids.iter().cloned().collect::<Vec<_>>().join(separator);
            prop_assert_eq!(read(json!(folded(text.as_bytes(), width))), Revocations::Ids(ids.clone()));
            prop_assert_eq!(read(json!(STANDARD.encode(text + "\n"))), Revocations::Ids(ids));
        }
    }
}
