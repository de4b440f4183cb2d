//! Stored document as text: one JSON object.

use jiff::Timestamp;
use model::ResourceKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Revision, Stored};

/// Serialised form of a stored document.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    version: Revision,
    created: String,
    modified: String,
    document: Value,
}

impl Record {
    /// Creates the record of a stored document.
    pub(super) fn of(stored: &Stored) -> Self {
        let Stored { key: _, document, version, created, modified } = stored;
        let (created, modified) = (created.to_string(), modified.to_string());
        Self { version: *version, created, modified, document: document.clone() }
    }

    /// Returns the stored document of the record.
    ///
    /// # Errors
    /// In words: the record is invalid.
    pub(super) fn stored(self) -> Result<Stored, String> {
        let Self { version, created, modified, document } = self;
        let key = ResourceKey::of_document(&document).map_err(|why| why.to_string())?;
        let time = |text: &str| text.parse::<Timestamp>().map_err(|_| format!("`{text}` is no time"));
        Ok(Stored { key, version, created: time(&created)?, modified: time(&modified)?, document })
    }
}
