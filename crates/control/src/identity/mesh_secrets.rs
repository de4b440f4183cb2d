//! Secrets that belong to a mesh: the key that signs its dataplane tokens, and the authorities of its `builtin`
//! backends.
//!
//! They are stored together with the mesh, each only if it is missing: of several control planes on one store one makes
//! them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};

use super::authority::{self, CaParameters, Made};
use super::key::SigningKey;
use super::tokens::dataplane_key;
use crate::store::{Expected, Put, Selection, Store, StoreError};

/// Missing secrets of a mesh, made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Missing {
    /// Secrets to be stored with the mesh.
    pub(crate) puts: Vec<Put>,
    /// Reasons why some could not be made, in words.
    pub(crate) remarks: Vec<String>,
}

/// Makes the missing secrets of a mesh. `document`: the mesh as it is stored, or to be stored.
///
/// # Errors
/// If the store cannot be asked.
pub(crate) async fn missing(store: &dyn Store, mesh: &str, document: &Value) -> Result<Missing, StoreError> {
    let there = store.list(&Selection::of_kind(Kind::Secret).in_mesh(mesh)).await?;
    let unreadable = there.unreadable.iter().filter_map(|it| it.key()).map(|key| key.name);
    let names: Vec<String> = there.items.iter().map(|it| it.key.name.clone()).chain(unreadable).collect();
    let mut missing = Missing::default();
    if !names.iter().any(|name| signs_tokens(mesh, name)) {
        match SigningKey::generate().await {
            Some(pem) => missing.add(dataplane_key(mesh), pem.as_bytes()),
            None => missing
                .remarks
                .push("no key for dataplane tokens could be made: the system gives no random numbers".into()),
        }
    }
    for backend in document["mtls"]["backends"].as_array().into_iter().flatten() {
        let Some(name) = backend["name"].as_str().filter(|_| backend["type"] == "builtin") else { continue };
        let keys = [certificate_key(mesh, name), private_key(mesh, name)];
        match keys.each_ref().map(|key| names.contains(&key.name)) {
            [true, true] => {}
            [false, false] => match made(mesh, backend).await {
                Ok(Made { certificate, key }) => {
                    let [of_certificate, of_key] = keys;
                    missing.add(of_certificate, certificate.as_bytes());
                    missing.add(of_key, key.as_bytes());
                }
                Err(why) => {
                    missing.remarks.push(format!("backend `{name}` has no certificate authority: {why}"))
                }
            },
            [has_certificate, _] => {
                let [certificate, key] = keys.map(|key| key.name);
                let (there, lacks) = if has_certificate { (certificate, key) } else { (key, certificate) };
                missing.remarks.push(format!(
                    "backend `{name}` has no certificate authority: there is a Secret `{there}`, and none `{lacks}`; store that one, \
                     or remove the other, and put the mesh again to have both made"
                ));
            }
        }
    }
    Ok(missing)
}

impl Missing {
    fn add(&mut self, key: ResourceKey, secret: &[u8]) {
        let document =
            json!({ "type": "Secret", "mesh": key.mesh, "name": key.name, "data": STANDARD.encode(secret) });
        self.puts.push(Put { key, document, expected: Expected::Absent });
    }
}

/// Returns `true` if a secret belongs to a mesh, and is deleted with it.
pub(crate) fn is_of_mesh(mesh: &str, name: &str) -> bool {
    let of_authority = ["builtin-cert", "builtin-key", "former"]
        .iter()
        .any(|part| name.starts_with(&format!("{mesh}.ca-{part}-")));
    of_authority || signs_tokens(mesh, name)
}

fn signs_tokens(mesh: &str, name: &str) -> bool {
    let serial = name
        .strip_prefix("dataplane-token-signing-key-")
        .and_then(|rest| rest.strip_prefix(mesh)?.strip_prefix('-'));
    serial.is_some_and(|serial| serial.parse::<u64>().is_ok())
}

pub(super) fn certificate_key(mesh: &str, backend: &str) -> ResourceKey {
    ResourceKey::new(Kind::Secret, mesh, format!("{mesh}.ca-builtin-cert-{backend}"))
}

pub(super) fn private_key(mesh: &str, backend: &str) -> ResourceKey {
    ResourceKey::new(Kind::Secret, mesh, format!("{mesh}.ca-builtin-key-{backend}"))
}

/// Returns the key of the secret with the certificates in force of a backend, and those that they replaced, with the
/// end of their trust.
pub(super) fn former_key(mesh: &str, backend: &str) -> ResourceKey {
    ResourceKey::new(Kind::Secret, mesh, format!("{mesh}.ca-former-{backend}"))
}

async fn made(mesh: &str, backend: &Value) -> Result<Made, String> {
    let (mesh, wish) = (mesh.to_owned(), CaParameters::read(backend)?);
    let made = tokio::task::spawn_blocking(move || authority::make(&mesh, wish, Timestamp::now())).await;
    made.unwrap_or_else(|_| Err("this control plane is shutting down: put the mesh again".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn mesh(backends: Value) -> Value {
        json!({ "type": "Mesh", "name": "shop", "mtls": { "enabledBackend": "ca", "backends": backends } })
    }

    fn names(missing: &Missing) -> Vec<&str> {
        missing.puts.iter().map(|put| put.key.name.as_str()).collect()
    }

    #[tokio::test]
    async fn what_is_there_is_not_made_again_and_a_half_is_told() {
        let store = MemoryStore::default();
        let document = mesh(json!([{ "name": "ca", "type": "builtin" }]));
        let all = missing(&store, "shop", &document).await.unwrap();
        let made =
            ["dataplane-token-signing-key-shop-1", "shop.ca-builtin-cert-ca", "shop.ca-builtin-key-ca"];
        assert_eq!((names(&all), &all.remarks), (made.to_vec(), &Vec::new()));
        assert!(made.iter().all(|name| is_of_mesh("shop", name)) && !is_of_mesh("shop", "password"));
        store.put_all(all.puts.clone()).await.unwrap();
        let second = missing(&store, "shop", &document).await.unwrap();
        assert!(second.puts.is_empty() && second.remarks.is_empty(), "{second:?}");
        // another one that looked at the same time is too late with all of them
        assert!(store.put_all(all.puts).await.is_err());
        store.delete(&private_key("shop", "ca"), Expected::Any).await.unwrap();
        let half = missing(&store, "shop", &document).await.unwrap();
        assert!(
            half.puts.is_empty() && half.remarks[0].contains("none `shop.ca-builtin-key-ca`"),
            "{half:?}"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_made_is_told() {
        let small = json!([{ "name": "ca", "type": "builtin", "conf": { "caCert": { "RSAbits": 512 } } }]);
        let none = missing(&MemoryStore::default(), "shop", &mesh(small)).await.unwrap();
        assert_eq!(names(&none), ["dataplane-token-signing-key-shop-1"]);
        assert!(none.remarks[0].contains("RSAbits"), "{none:?}");
        let provided = mesh(json!([{ "name": "ca", "type": "provided" }]));
        assert!(missing(&MemoryStore::default(), "shop", &provided).await.unwrap().remarks.is_empty());
    }
}
