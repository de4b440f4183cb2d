//! Dataplanes that live as long as their proxies are attached: `kuma-dp run --dataplane-file` stores them nowhere else.
//!
//! ```text
//!  a stream opens ─▶ read: validated ─▶ arrive: stored ─ … ─ the stream ends ─▶ leave: removed, unless it is back
//! ```
//!
//! A proxy that comes back, here or at another instance, writes the document again with another time; the end of an
//! earlier stream removes only what that stream wrote. An instance that ends removes nothing.

use std::sync::Arc;
use std::time::Duration;

use change::{carry, complete};
use jiff::Timestamp;
use model::draft::{Document, Options, parse};
use model::problems::{SHOWN, Shown};
use model::{Kind, Resource, ResourceKey, Severity};
use serde_json::{Value, json};

use crate::ports::{self, PORTS};
use crate::store::{Expected, Store, StoreError, Stored};

/// Time that a proxy may be away before its Dataplane is removed.
pub(crate) const AWAY: Duration = Duration::from_secs(10);
/// Limit on attempts to write after a concurrent change.
const ATTEMPTS: usize = 5;
/// Member that marks a stored document as brought by a proxy. A value written over the API is discarded. It is never
/// shown, and gives each arrival a version of its own.
const ARRIVED: &str = "modificationTime";

/// Store for resources that proxies bring. Cloning shares the store.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Store that keeps the resources, or mirrors them.
    store: Arc<dyn Store>,
    rules: Options,
    /// `true`: resources can be written to the store.
    writable: bool,
}

/// Resource that a proxy brought, validated.
#[derive(Clone, Debug)]
pub(crate) struct BroughtResource {
    pub(crate) resource: Resource,
    pub(crate) key: ResourceKey,
    pub(crate) document: Value,
}

/// Resource that was stored for a proxy, and is removed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    key: ResourceKey,
    /// Time of arrival in its document.
    at: Value,
}

/// Reason why a resource that a proxy brought is rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// The document has errors; described by field.
    #[error("{0}")]
    Invalid(String),
    /// The mesh does not exist.
    #[error("mesh: mesh {0:?} does not exist")]
    NoMesh(String),
    /// Resources are read from files.
    #[error(
        "dataplane: this control plane follows files, and has no {0} among them: put it there, and start the proxy with its name \
         and mesh alone"
    )]
    ReadOnly(ResourceKey),
    /// Somebody else stored it, and the proxy does not prove that it may replace it.
    #[error(
        "dataplane: {0} is stored and says something else, and a proxy without a token cannot replace it: delete it, or let proxies \
         bring tokens"
    )]
    NotIts(ResourceKey),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Arrivals {
    /// Creates arrivals for a store, validated by these rules. Not `writable`: nothing is stored.
    pub fn new(store: Arc<dyn Store>, rules: Options, writable: bool) -> Self {
        Self { store, rules, writable }
    }

    /// Parses the resource that a proxy brought: a Dataplane, or the resource of a zone proxy.
    pub(crate) fn read(&self, text: &str) -> Result<BroughtResource, NotTaken> {
        let document = serde_json::from_str(text);
        let document: Value =
            document.map_err(|error| NotTaken::Invalid(format!("dataplane: is no JSON: {error}")))?;
        self.checked(document)
    }

    /// Validates a document and adds what is computed of it, as for documents put over the API.
    fn checked(&self, mut document: Value) -> Result<BroughtResource, NotTaken> {
        let said = self.resource(&document)?;
        complete(&mut document, &said, self.rules.zone.as_deref());
        // its tags name its zone now, as in stored resources
        let resource = self.resource(&document)?;
        let meta = resource.meta();
        let key = ResourceKey::new(resource.kind(), meta.mesh.as_str(), meta.name.as_str());
        Ok(BroughtResource { key, document, resource })
    }

    fn resource(&self, document: &Value) -> Result<Resource, NotTaken> {
        let parsed = parse(&Document::from_value("dataplane", document.clone()), &self.rules);
        let Some(resource) = parsed.resource else {
            let errors = parsed.problems.only(Severity::Error);
            let Shown { problems, .. } = errors.shown(SHOWN);
            let said = problems.iter().map(|problem| {
                let (field, message) = (&problem.violation.field, &problem.violation.message);
                if field.is_empty() { message.clone() } else { format!("{field}: {message}") }
            });
            return Err(NotTaken::Invalid(said.collect::<Vec<_>>().join("; ")));
        };
        if ports::of(&resource) > PORTS {
            let said = format!(
                "networking: a proxy brings {PORTS} inbounds and outbounds at most: store the Dataplane instead"
            );
            return Err(NotTaken::Invalid(said));
        }
        match resource.kind() {
            Kind::Dataplane | Kind::ZoneIngress | Kind::ZoneEgress => Ok(resource),
            kind => Err(NotTaken::Invalid(format!("type: a {kind} is no proxy"))),
        }
    }

    /// Returns the stored resource of a proxy; `None`: there is none.
    pub(crate) async fn stored(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError> {
        self.store.get(key).await
    }

    /// Checks that a resource could be stored: its mesh exists, and it is present if resources are read from files.
    pub(crate) async fn has_place(&self, brought: &BroughtResource) -> Result<(), NotTaken> {
        let key = &brought.key;
        if let Some(mesh) = &key.mesh
            && self.store.get(&ResourceKey::new(Kind::Mesh, "", mesh.as_str())).await?.is_none()
        {
            return Err(NotTaken::NoMesh(mesh.clone()));
        }
        if !self.writable && self.store.get(key).await?.is_none() {
            return Err(NotTaken::ReadOnly(key.clone()));
        }
        Ok(())
    }

    /// Stores a resource that a proxy brought. `proven`: a token proves that it is the proxy's; without one it replaces
    /// nothing that somebody else stored. Returns `None` if the stored one stays, and is not removed with the proxy.
    pub(crate) async fn arrive(
        &self,
        brought: &BroughtResource,
        proven: bool,
    ) -> Result<Option<Arrival>, NotTaken> {
        self.has_place(brought).await?;
        if !self.writable {
            return Ok(None);
        }
        let BroughtResource { key, document, resource } = brought;
        for _ in 0..ATTEMPTS {
            let before = self.store.get(key).await?;
            let came = before.as_ref().is_none_or(|before| before.document.get(ARRIVED).is_some());
            if let Some(before) = before.as_ref().filter(|_| !came && !proven) {
                let same = self
                    .checked(before.document.clone())
                    .is_ok_and(|it| it.resource.spec() == resource.spec());
                return if same { Ok(None) } else { Err(NotTaken::NotIts(key.clone())) };
            }
            let mut whole = document.clone();
            if let Some(before) = &before {
                carry(&before.document, &mut whole, key.kind);
            }
            let stored = as_stored(self.checked(whole)?);
            let at = stored[ARRIVED].clone();
            let expected =
                before.as_ref().map_or(Expected::Absent, |before| Expected::Version(before.version));
            match self.store.put(key, stored, expected).await {
                Ok(_) => return Ok(Some(Arrival { key: key.clone(), at })),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let why = format!("{key}: others change it at the same time");
        Err(StoreError::Lost { store: self.store.describe(), why }.into())
    }

    /// Removes the resource of a proxy that did not come back.
    pub(crate) async fn leave(&self, arrival: Arrival) {
        match self.remove(&arrival).await {
            Ok(true) => tracing::info!(resource = %arrival.key, "it came with its proxy, and went with it"),
            // its proxy came back, or somebody else changed it
            Ok(false) | Err(StoreError::Conflict { .. } | StoreError::NotFound(_)) => {}
            Err(error) => tracing::warn!(resource = %arrival.key, %error, "its proxy left, and it stays"),
        }
    }

    /// Removes an arrived resource, even if a control plane has updated it meanwhile. Returns `true` if it was still
    /// there.
    async fn remove(&self, Arrival { key, at }: &Arrival) -> Result<bool, StoreError> {
        let mut tries = 0;
        loop {
            let stored = self.store.get(key).await?.filter(|stored| stored.document.get(ARRIVED) == Some(at));
            let Some(stored) = stored else { return Ok(false) };
            tries += 1;
            match self.store.delete(key, Expected::Version(stored.version)).await {
                Err(StoreError::Conflict { .. }) if tries < ATTEMPTS => {}
                done => return done.map(|_| true),
            }
        }
    }
}

/// Document as it is stored: with the computed labels and the mark of arrival.
fn as_stored(BroughtResource { resource, key, mut document }: BroughtResource) -> Value {
    if let Some(members) = document.as_object_mut() {
        key.kind.computed_members().iter().for_each(|computed| drop(members.shift_remove(*computed)));
        let labels = resource.meta().labels.iter().map(|(key, value)| (key.to_owned(), json!(value)));
        members.insert("labels".into(), Value::Object(labels.collect()));
        members.insert(ARRIVED.into(), json!(Timestamp::now().to_string()));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    const WEB: &str = r#"{"type":"Dataplane","mesh":"default","name":"web-1","modificationTime":"0001-01-01T00:00:00Z",
        "networking":{"address":"127.0.0.1","inbound":[{"port":1,"tags":{"kuma.io/service":"web"}}]}}"#;

    async fn arrivals() -> Arrivals {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let key = ResourceKey::new(Kind::Mesh, "", "default");
        store.put(&key, json!({ "type": "Mesh", "name": "default" }), Expected::Any).await.unwrap();
        Arrivals::new(store, Options::default(), true)
    }

    #[tokio::test]
    async fn a_proxy_brings_so_many_ports_and_no_more() {
        let with = |ports: usize| {
            let inbounds: Vec<Value> = (1..=ports)
                .map(|port| json!({ "port": port, "tags": { "kuma.io/service": "web" } }))
                .collect();
            let networking = json!({ "address": "127.0.0.1", "inbound": inbounds });
            json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": networking })
                .to_string()
        };
        let arrivals = arrivals().await;
        assert!(arrivals.read(&with(PORTS)).is_ok());
        let refused = arrivals.read(&with(PORTS + 1)).unwrap_err().to_string();
        assert!(refused.contains("10000 inbounds and outbounds at most"), "{refused}");
    }

    #[tokio::test]
    async fn it_goes_with_the_proxy_unless_that_came_back() {
        let arrivals = arrivals().await;
        let brought = arrivals.read(WEB).unwrap();
        let first = arrivals.arrive(&brought, false).await.unwrap().unwrap();
        // the same document, as another instance would write it
        let second = arrivals.arrive(&brought, false).await.unwrap().unwrap();
        assert_ne!(first, second);
        // a job of the control plane writes its results
        let mut stored = arrivals.stored(&brought.key).await.unwrap().unwrap().document;
        stored["labels"]["team"] = json!("ledger");
        arrivals.store.put(&brought.key, stored, Expected::Any).await.unwrap();
        arrivals.leave(first).await;
        assert!(arrivals.stored(&brought.key).await.unwrap().is_some());
        arrivals.leave(second).await;
        assert!(arrivals.stored(&brought.key).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_somebody_stored_is_replaced_with_a_token_only() {
        let arrivals = arrivals().await;
        let brought = arrivals.read(WEB).unwrap();
        let mut document: Value = serde_json::from_str(WEB).unwrap();
        document.as_object_mut().unwrap().remove(ARRIVED);
        arrivals.store.put(&brought.key, document, Expected::Any).await.unwrap();
        assert_eq!(arrivals.arrive(&brought, false).await.unwrap(), None, "it says the same");
        let other = arrivals.read(&WEB.replace("\"port\":1", "\"port\":2")).unwrap();
        assert!(matches!(arrivals.arrive(&other, false).await, Err(NotTaken::NotIts(_))));
        let arrival = arrivals.arrive(&other, true).await.unwrap().unwrap();
        arrivals.leave(arrival).await;
        assert!(arrivals.stored(&brought.key).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_was_put_in_a_zone_says_the_same_as_the_file_that_it_was_put_from() {
        let alone = arrivals().await;
        let rules = Options { zone: Some("east".into()), ..Options::default() };
        let arrivals = Arrivals { rules, ..alone };
        let brought = arrivals.read(WEB).unwrap();
        // as the API stores it: its tags name the zone
        let mut document = brought.document.clone();
        document.as_object_mut().unwrap().remove(ARRIVED);
        assert_eq!(document["networking"]["inbound"][0]["tags"]["kuma.io/zone"], "east");
        arrivals.store.put(&brought.key, document, Expected::Any).await.unwrap();
        assert_eq!(arrivals.arrive(&brought, false).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_by_field() {
        let arrivals = arrivals().await;
        let said = |text: &str| arrivals.read(text).unwrap_err().to_string();
        assert!(said("{").contains("no JSON"));
        assert!(said(&WEB.replace("127.0.0.1", "")).starts_with("networking.address: "), "{}", said(WEB));
        assert!(said(r#"{"type":"Mesh","name":"x"}"#).contains("no proxy"));
        let nowhere = arrivals.read(&WEB.replace("default", "nomesh")).unwrap();
        let error = arrivals.arrive(&nowhere, true).await.unwrap_err().to_string();
        assert_eq!(error, "mesh: mesh \"nomesh\" does not exist");
        let files = Arrivals { writable: false, ..arrivals.clone() };
        let error = files.arrive(&arrivals.read(WEB).unwrap(), true).await.unwrap_err().to_string();
        assert!(error.contains("follows files"), "{error}");
    }
}
