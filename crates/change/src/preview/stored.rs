//! What a control plane keeps, as something that changes can be laid over.

use std::sync::Arc;

use model::draft::{Document, parse_unchecked};
use model::{Problems, Profile};
use serde_json::{Value, json};

use super::document::universal;
use crate::{Entry, carry};

/// Where stored resources are said to be from.
const SOURCE: &str = "the control plane";

/// A resource as a control plane shows it. It was checked when it was put, maybe by other rules than these.
///
/// # Errors
/// What is wrong with it: nothing can be made of it by this profile.
pub fn stored(document: Value, profile: Profile) -> Result<Arc<Entry>, Problems> {
    let document = Document::from_value(SOURCE, document);
    let parsed = parse_unchecked(&document, profile);
    let resource = parsed.resource.ok_or(parsed.problems)?;
    Ok(Arc::new(Entry { document, resource: Arc::new(resource) }))
}

/// An entry with what it leaves to the stored one whose place it takes; itself where that is nothing.
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
