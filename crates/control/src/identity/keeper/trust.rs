//! MeshTrust of a MeshIdentity (spec 07 §13.1), with its name and its authority; a later authority is added, and none
//! is removed.

use model::topology::{IdentityProvider, MeshIdentity};
use model::{Kind, Resource, ResourceKey};
use serde_json::{Value, json};

use super::Look;
use crate::identity::issuer::AuthorityState;
use crate::store::{Expected, StoreError};

/// State of the MeshTrust.
pub(super) enum Trusted {
    /// Nobody asks for one.
    Unasked,
    /// It is stored.
    Written,
    /// It is not stored; the reason in words.
    Unwritten(String),
}

impl Look<'_> {
    pub(super) async fn write_trust(
        &self,
        resource: &Resource,
        identity: &MeshIdentity,
        known: Option<&AuthorityState>,
    ) -> Result<Trusted, StoreError> {
        if identity.provider != Some(IdentityProvider::Bundled { creates_trust: true }) {
            return Ok(Trusted::Unasked);
        }
        let chain = match known.map(|known| &known.chain) {
            Some(Ok(chain)) => chain,
            Some(Err(why)) => return Ok(Trusted::Unwritten(format!("its authority cannot be read: {why}"))),
            None => return Ok(Trusted::Unwritten("its authority is not known yet".into())),
        };
        let Some(domain) = self.trust_domain(resource, identity) else {
            let why = "its trust domain differs between Dataplanes: create MeshTrusts by hand";
            return Ok(Trusted::Unwritten(why.into()));
        };
        let mesh = resource.meta().mesh.as_str();
        let key = ResourceKey::new(Kind::MeshTrust, mesh, resource.meta().name.as_str());
        let stored = self.store.get(&key).await?;
        let said = stored.as_ref().map(|stored| &stored.document["spec"]["caBundles"]);
        let said: Vec<Value> = said.and_then(Value::as_array).cloned().unwrap_or_default();
        let has = |pem: &str| {
            let is_it = |bundle: &Value| {
                bundle["pem"]["value"].as_str().is_some_and(|text| text.contains(pem.trim()))
            };
            said.iter().any(is_it)
        };
        let new: Vec<Value> = chain
            .iter()
            .filter(|pem| !has(pem))
            .map(|pem| json!({ "type": "Pem", "pem": { "value": &**pem } }))
            .collect();
        if new.is_empty() {
            return Ok(Trusted::Written);
        }
        let origin = json!({ "origin": { "kri": resource.id().to_string() } });
        let (document, expected) = match stored {
            Some(stored) => {
                let mut document = stored.document;
                document["spec"]["caBundles"] = said.into_iter().chain(new).collect();
                (document, Expected::Version(stored.version))
            }
            None => {
                let spec = json!({ "trustDomain": domain, "caBundles": new });
                let name = key.name.as_str();
                let document = json!({ "type": "MeshTrust", "mesh": mesh, "name": name, "spec": spec, "status": origin });
                (document, Expected::Absent)
            }
        };
        match self.store.put(&key, document, expected).await {
            Ok(_) => Ok(Trusted::Written),
            Err(StoreError::Conflict { .. }) => {
                Ok(Trusted::Unwritten("others change it: it is tried again".into()))
            }
            Err(error) => Err(error),
        }
    }
}
