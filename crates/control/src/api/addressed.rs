//! Resources named by the path of a request.

use model::kind::Scope;
use model::{Kind, ResourceKey};

use super::collection::Collection;
use super::refusal::Refusal;
use super::request::ApiRequest;
use crate::store::Store;

/// Returns the key of the resource that the path names.
pub(super) fn keys_of(request: &ApiRequest, kind: Kind) -> ResourceKey {
    ResourceKey::new(kind, request.mesh().unwrap_or_default(), request.parameter("name"))
}

/// Title of the refusal for a missing mesh.
pub(super) const NO_MESH: &str = "Failed to retrieve Mesh";

/// Refuses a mesh that does not exist.
pub(super) async fn exists(store: &dyn Store, mesh: &str) -> Result<(), Refusal> {
    let key = ResourceKey::global(Kind::Mesh, mesh);
    let found = store.get(&key).await.map_err(|error| Refusal::of_store(NO_MESH, &error))?;
    found.map(|_| ()).ok_or_else(|| Refusal::not_found(NO_MESH))
}

/// Returns `true` if the path names one resource: in a mesh exactly when resources of the kind are in one.
pub(super) fn is_addressed(request: &ApiRequest, collection: Collection) -> bool {
    request.mesh().is_some() == (collection.scope() == Scope::Mesh)
}
