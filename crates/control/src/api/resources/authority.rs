//! Checks of the certificate authority of a mesh that is to be stored: it must be able to sign, and must not change
//! while mTLS is on (spec 07 §2.2).

use axum::http::StatusCode;
use model::{Kind, ResourceKey};
use serde_json::Value;

use super::PUT;
use crate::api::refusal::{Invalid, Refusal};
use crate::identity::{Data, flaws_of, provided, secret};
use crate::store::{Put, Store};

const CHANGED: &str =
    "Changing CA when mTLS is enabled is forbidden. Disable mTLS first and then change the CA";

/// Refuses a mesh whose certificate authority cannot sign, or differs from the one in force. `brought`: resources that
/// are stored with it.
pub(super) async fn check(
    store: &dyn Store,
    brought: &[Put],
    mesh: &ResourceKey,
    document: &Value,
) -> Result<(), Refusal> {
    let before = store.get(mesh).await.map_err(|error| Refusal::of_store(PUT, &error))?;
    let enabled = |document: &Value| {
        let name = document["mtls"]["enabledBackend"].as_str().unwrap_or_default();
        (!name.is_empty()).then(|| name.to_owned())
    };
    let (old, new) = (before.and_then(|before| enabled(&before.document)), enabled(document));
    if old.is_some() && new.is_some() && old != new {
        return Err(Refusal::field(PUT, "Resource is not valid", "mtls.enabledBackend", CHANGED));
    }
    if document["mtls"]["skipValidation"] == true {
        return Ok(());
    }
    let mut invalid = Vec::new();
    for (index, backend) in document["mtls"]["backends"].as_array().into_iter().flatten().enumerate() {
        if backend["type"] != "provided" {
            continue;
        }
        let conf = &backend["conf"];
        let mut said = |part: &str, reason: String| {
            invalid.push(Invalid { field: format!("mtls.backends[{index}].conf.{part}"), reason });
        };
        let bytes = |part| read(store, brought, mesh, &conf[part], part);
        match (bytes("cert").await, bytes("key").await) {
            (Ok(certificate), Ok(key)) => {
                for flaw in flaws_of(&certificate, &key) {
                    let at = flaw.certificate.map_or("cert".into(), |index| format!("cert[{index}]"));
                    said(&at, flaw.message);
                }
            }
            (certificate, key) => {
                certificate.err().into_iter().for_each(|why| said("cert", why));
                key.err().into_iter().for_each(|why| said("key", why));
            }
        }
    }
    if invalid.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::new(StatusCode::BAD_REQUEST, PUT, "Resource is not valid");
    Err(Refusal { invalid, ..refusal })
}

/// Reads the bytes that a data source names.
async fn read(
    store: &dyn Store,
    brought: &[Put],
    mesh: &ResourceKey,
    source: &Value,
    part: &str,
) -> Result<Vec<u8>, String> {
    let found = match source["secret"].as_str() {
        None => None,
        Some(name) => {
            let key = ResourceKey::new(Kind::Secret, mesh.name.as_str(), name);
            match brought.iter().find(|put| put.key == key) {
                Some(put) => Some(put.document.clone()),
                None => {
                    let stored = store.get(&key).await.map_err(|error| error.to_string())?;
                    stored.map(|stored| stored.document)
                }
            }
        }
    };
    let data = provided(source, &format!("conf.{part}"), |name| {
        let bytes =
            found.as_ref().map(secret::bytes).ok_or_else(|| format!("there is no Secret `{name}`"))?;
        bytes.map(Data::Bytes).ok_or_else(|| format!("the Secret `{name}` is no base64"))
    });
    data?.read()
}
