//! Initial content of a store.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::resource::ORIGIN_LABEL;
use model::{Kind, ResourceKey};
use serde_json::json;

use crate::identity::mesh_secrets::{Missing, is_of_mesh, missing};
use crate::identity::{Bearer, Claims, TokenError, Tokens};
use crate::store::{Expected, Selection, Store, StoreError};

/// Name of the secret with the first token.
const ADMIN_TOKEN: &str = "admin-user-token";
/// Lifetime of the first token: ten years.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// HostnameGenerators of a control plane that is a zone, the same as in Kuma: name, selected kind, template.
const HOST_NAMES: [(&str, &str, &str); 2] = [
    ("local-universal-mesh-service", "meshService", "{{ .DisplayName }}.svc.mesh.local"),
    ("local-mesh-external-service", "meshExternalService", "{{ .DisplayName }}.extsvc.mesh.local"),
];

/// Creates a mesh `default` if there is no mesh, the secrets that belong to a mesh if they are missing, and an admin
/// token if there is none; in a zone also the Zone, a key for its tokens, and the HostnameGenerators. Several processes
/// that share a store may each do it: what exists stays.
///
/// # Errors
/// If the store cannot be used, or no key can be made.
pub async fn prepare(store: &Arc<dyn Store>, zone: Option<&str>) -> Result<(), TokenError> {
    let absent = |put: Result<_, StoreError>| match put {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(TokenError::from(error)),
    };
    if store.list(&Selection::of_kind(Kind::Mesh)).await?.items.is_empty() {
        let key = ResourceKey::global(Kind::Mesh, "default");
        let mesh = json!({ "type": "Mesh", "name": "default" });
        absent(store.put(&key, mesh, Expected::Absent).await)?;
    }
    for mesh in store.list(&Selection::of_kind(Kind::Mesh)).await?.items {
        let Missing { puts, remarks } = missing(store.as_ref(), &mesh.key.name, &mesh.document).await?;
        for remark in remarks {
            tracing::warn!(mesh = mesh.key.name, "{remark}");
        }
        // of several writers all but the first find everything there
        match store.put_all(puts).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let key = ResourceKey::global(Kind::GlobalSecret, ADMIN_TOKEN);
    if store.get(&key).await?.is_none() {
        let admin = "mesh-system:admin";
        let bearer = Bearer::User { name: admin.into(), groups: vec![admin.into()] };
        let token = Tokens::new(Arc::clone(store)).issue(Claims::new(bearer, LONG)).await?;
        let secret = json!({ "type": "GlobalSecret", "name": ADMIN_TOKEN, "data": STANDARD.encode(token) });
        absent(store.put(&key, secret, Expected::Absent).await)?;
    }
    match zone {
        Some(zone) => prepare_zone(store, zone).await,
        None => Ok(()),
    }
}

/// Returns `true` for a resource that a control plane makes by itself. It has no labels but those that it is given.
pub(super) fn is_made_here(key: &ResourceKey, zone: Option<&str>) -> bool {
    let ResourceKey { kind, mesh, name } = key;
    match kind {
        Kind::Secret => mesh.as_deref().is_some_and(|mesh| is_of_mesh(mesh, name)),
        Kind::GlobalSecret => {
            let serial = ["zone", "user"]
                .iter()
                .find_map(|whose| name.strip_prefix(&format!("{whose}-token-signing-key-")));
            name == ADMIN_TOKEN || serial.is_some_and(|serial| serial.parse::<u64>().is_ok())
        }
        Kind::Zone => zone == Some(name),
        Kind::HostnameGenerator => HOST_NAMES.iter().any(|(made, ..)| made == name),
        _ => false,
    }
}

async fn prepare_zone(store: &Arc<dyn Store>, zone: &str) -> Result<(), TokenError> {
    let itself = (ResourceKey::global(Kind::Zone, zone), json!({ "type": "Zone", "name": zone }));
    let generators = HOST_NAMES.map(|(name, whom, template)| {
        let selector = json!({ whom: { "matchLabels": { ORIGIN_LABEL: "zone" } } });
        let generator = json!({
            "type": "HostnameGenerator",
            "name": name,
            "labels": { ORIGIN_LABEL: "zone" },
            "spec": { "selector": selector, "template": template },
        });
        (ResourceKey::global(Kind::HostnameGenerator, name), generator)
    });
    // an existing zone may have had a generator removed on purpose
    if store.get(&itself.0).await?.is_none() {
        for (key, document) in generators.into_iter().chain([itself]) {
            match store.put(&key, document, Expected::Absent).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Tokens::new(Arc::clone(store)).prepare_zones().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn there_is_a_mesh_and_a_way_in_and_both_are_made_once() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        prepare(&store, Some("east")).await.unwrap();
        let revision = store.revision().await.unwrap();
        prepare(&store, Some("east")).await.unwrap();
        assert_eq!(store.revision().await.unwrap(), revision);
        assert!(store.get(&ResourceKey::global(Kind::Mesh, "default")).await.unwrap().is_some());
        for (kind, name) in [
            (Kind::Zone, "east"),
            (Kind::HostnameGenerator, "local-universal-mesh-service"),
            (Kind::GlobalSecret, "zone-token-signing-key-1"),
        ] {
            assert!(store.get(&ResourceKey::global(kind, name)).await.unwrap().is_some(), "{name}");
        }
        let key = ResourceKey::new(Kind::Secret, "default", "dataplane-token-signing-key-default-1");
        assert!(store.get(&key).await.unwrap().is_some());
        let secret = store.get(&ResourceKey::global(Kind::GlobalSecret, ADMIN_TOKEN)).await.unwrap().unwrap();
        let token = STANDARD.decode(secret.document["data"].as_str().unwrap()).unwrap();
        let user = Tokens::new(store).user(std::str::from_utf8(&token).unwrap()).await.unwrap();
        assert_eq!(user.groups, ["mesh-system:admin"]);
    }
}
