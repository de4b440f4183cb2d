//! What a control plane keeps, as something that changes can be laid over.

use std::sync::Arc;

use model::draft::{Document, parse_unchecked};
use model::{Problems, Profile};
use serde_json::Value;

use crate::Entry;

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
