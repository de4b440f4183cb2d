//! History of accepted changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::ResourceKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Revision;

/// Limit on the kept changes of a resource.
const MOST: usize = 50;
/// Limit on their total size, in bytes.
const BYTES: usize = 1 << 20;
/// Limit on the resources whose changes are kept in memory.
const RESOURCES: usize = 20_000;

/// Accepted change, kept as history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Key of the changed resource.
    pub key: ResourceKey,
    /// Revision of the change.
    pub revision: Revision,
    /// Time of the change.
    pub at: Timestamp,
    /// Author as the API knows them: `name/group,group`.
    pub by: String,
    /// Resource after the change.
    pub became: ResultingState,
}

/// Resource after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResultingState {
    /// The document, in the Universal format.
    Said(Value),
    /// A secret, whose content is not kept.
    Secret,
    /// The resource was deleted.
    Deleted,
}

impl HistoryEntry {
    /// Creates the record of a change; of a secret only that it was changed.
    pub fn of(key: &ResourceKey, revision: Revision, by: String, document: Option<&Value>) -> Self {
        let became = match document {
            None => ResultingState::Deleted,
            Some(_) if key.keeps_a_secret() => ResultingState::Secret,
            Some(document) => ResultingState::Said(document.clone()),
        };
        Self { key: key.clone(), revision, at: Timestamp::now(), by, became }
    }

    /// Serialises it as one line of text.
    pub(super) fn line(&self) -> String {
        // every part of it can be serialised
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Parses a line of text; `None`: it is of a newer version, or damaged.
    pub(super) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// Returns how many lines of these sizes, the newest first, are kept: at least one.
pub(super) fn kept(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |size: &usize| {
        bytes += size;
        bytes <= BYTES
    };
    sizes.into_iter().take(MOST).take_while(fits).count().max(1)
}

/// Changes by resource, in memory.
#[derive(Debug, Default)]
pub(super) struct Pasts {
    /// Newest changes first, each as a line.
    lines: BTreeMap<ResourceKey, Vec<(Revision, String)>>,
}

impl Pasts {
    pub(super) fn remember(&mut self, past: &HistoryEntry) {
        let lines = self.lines.entry(past.key.clone()).or_default();
        lines.insert(0, (past.revision, past.line()));
        let count = kept(lines.iter().map(|(_, line)| line.len()));
        lines.truncate(count);
        if self.lines.len() > RESOURCES {
            // resources that changed last are asked for most
            let newest = |lines: &[(Revision, String)]| lines.first().map(|(revision, _)| *revision);
            let oldest = self.lines.iter().min_by_key(|(_, lines)| newest(lines)).map(|(key, _)| key.clone());
            oldest.iter().for_each(|key| drop(self.lines.remove(key)));
        }
    }

    pub(super) fn of(&self, key: &ResourceKey) -> Vec<HistoryEntry> {
        let lines = self.lines.get(key).into_iter().flatten();
        lines.filter_map(|(_, line)| HistoryEntry::read(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_by_number_and_bytes() {
        assert_eq!(kept(vec![10; 80]), MOST);
        assert_eq!(kept(vec![BYTES / 4; 80]), 4);
        assert_eq!(kept([BYTES * 2, 1]), 1, "the newest is kept, however large");
    }
}
