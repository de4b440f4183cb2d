//! A stored document as text: one JSON object.

use jiff::Timestamp;
use model::ResourceKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Revision, Stored};

/// What is written about a stored document.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    version: Revision,
    created: String,
    modified: String,
    document: Value,
}

impl Record {
    /// What is written about it.
    pub(super) fn of(stored: &Stored) -> Self {
        let Stored { key: _, document, version, created, modified } = stored;
        let (created, modified) = (created.to_string(), modified.to_string());
        Self { version: *version, created, modified, document: document.clone() }
    }

    /// The stored document that it was made of.
    ///
    /// # Errors
    /// In words: it is none.
    pub(super) fn stored(self) -> Result<Stored, String> {
        let Self { version, created, modified, document } = self;
        let key = ResourceKey::of_document(&document).map_err(|why| why.to_string())?;
        let time = |text: &str| text.parse::<Timestamp>().map_err(|_| format!("`{text}` is no time"));
        Ok(Stored { key, version, created: time(&created)?, modified: time(&modified)?, document })
    }
}
