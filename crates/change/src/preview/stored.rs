//! Stored resources of a control plane, as a base for overlays.

use std::sync::Arc;

use model::draft::{Document, parse_unchecked};
use model::{Problems, Profile};
use serde_json::{Value, json};

use super::document::universal;
use crate::{Entry, carry};

/// Source name of stored resources.
const SOURCE: &str = "the control plane";

/// Parses a resource as a control plane shows it. It was validated when it was stored, maybe by other rules than these.
///
/// # Errors
/// Problems of the document: it has no meaning in this profile.
pub fn stored(document: Value, profile: Profile) -> Result<Arc<Entry>, Problems> {
    let document = Document::from_value(SOURCE, document);
    let parsed = parse_unchecked(&document, profile);
    let resource = parsed.resource.ok_or(parsed.problems)?;
    Ok(Arc::new(Entry { document, resource: Arc::new(resource) }))
}

/// Entry with the parts that it leaves to the stored one it replaces; unchanged if there are none.
pub(super) fn in_place_of(old: &Entry, new: &Arc<Entry>, profile: Profile) -> Arc<Entry> {
    if old.document.source().as_ref() != SOURCE {
        return Arc::clone(new);
    }
    let Entry { document, resource } = new.as_ref();
    let mut said = universal(document.value(), resource);
    said["labels"] = json!(resource.meta().labels);
    let mut whole = said.clone();
    carry(old.document.value(), &mut whole, resource.kind());
    if whole == said {
        return Arc::clone(new);
    }
    let document = Document::from_value(document.source(), whole);
    match parse_unchecked(&document, profile).resource {
        Some(resource) => Arc::new(Entry { document, resource: Arc::new(resource) }),
        None => Arc::clone(new),
    }
}
