//! What is there before anybody has stored anything.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Kind, ResourceKey};
use serde_json::json;

use crate::identity::{Bearer, Claims, TokenError, Tokens};
use crate::store::{Expected, Selection, Store, StoreError};

/// The secret with the first token.
const ADMIN_TOKEN: &str = "admin-user-token";
/// Ten years.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Makes a mesh `default` where there is no mesh, and a token for an admin where there is none. Of several processes that
/// share a store each may do it: what is there stays.
///
/// # Errors
/// When the store cannot be used, or no key can be made.
pub async fn prepare(store: &Arc<dyn Store>) -> Result<(), TokenError> {
    let absent = |put: Result<_, StoreError>| match put {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(TokenError::from(error)),
    };
    if store.list(&Selection::of_kind(Kind::Mesh)).await?.items.is_empty() {
        let key = ResourceKey::global(Kind::Mesh, "default");
        let mesh = json!({ "type": "Mesh", "name": "default" });
        absent(store.put(&key, mesh, Expected::Absent).await)?;
    }
    let key = ResourceKey::global(Kind::GlobalSecret, ADMIN_TOKEN);
    if store.get(&key).await?.is_none() {
        let admin = "mesh-system:admin";
        let bearer = Bearer::User { name: admin.into(), groups: vec![admin.into()] };
        let token = Tokens::new(Arc::clone(store)).issue(Claims::new(bearer, LONG)).await?;
        let secret = json!({ "type": "GlobalSecret", "name": ADMIN_TOKEN, "data": STANDARD.encode(token) });
        absent(store.put(&key, secret, Expected::Absent).await)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[tokio::test]
    async fn there_is_a_mesh_and_a_way_in_and_both_are_made_once() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        prepare(&store).await.unwrap();
        let revision = store.revision().await.unwrap();
        prepare(&store).await.unwrap();
        assert_eq!(store.revision().await.unwrap(), revision);
        assert!(store.get(&ResourceKey::global(Kind::Mesh, "default")).await.unwrap().is_some());
        let secret = store.get(&ResourceKey::global(Kind::GlobalSecret, ADMIN_TOKEN)).await.unwrap().unwrap();
        let token = STANDARD.decode(secret.document["data"].as_str().unwrap()).unwrap();
        let user = Tokens::new(store).user(std::str::from_utf8(&token).unwrap()).await.unwrap();
        assert_eq!(user.groups, ["mesh-system:admin"]);
    }
}
