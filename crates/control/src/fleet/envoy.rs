//! A plan as the bytes that Envoy is sent.

use std::sync::Arc;

use dialect::EncodeError;
use dialect::envoy::{EnvoyOptions, lower};
use plan::Plan;
use xds::ResourceSet;

/// Says a plan in Envoy's words, with what could not be said as asked.
///
/// # Errors
///
/// See [`dialect::envoy::EnvoyResources::to_resource_set`].
pub(super) fn said(
    plan: &Plan,
    options: &EnvoyOptions,
) -> Result<(Arc<ResourceSet>, Vec<String>), EncodeError> {
    let resources = lower(plan, options);
    let notes = resources.notes.iter().map(|note| format!("{}: {}", note.listener, note.text)).collect();
    Ok((Arc::new(resources.to_resource_set()?), notes))
}
