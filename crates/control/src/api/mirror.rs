//! Resources of files as a store that the API can read.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::{Entry, Ledger};
use model::ResourceKey;
use model::kind::{Body, Scope};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::store::{Expected, MemoryStore, Store, StoreError};

/// Resources of files as a store that the API can read. Writes to it do not reach the files.
#[derive(Clone, Debug, Default)]
pub struct MirrorStore {
    store: MemoryStore,
    /// State of the last reflection; locked during one.
    seen: Arc<Mutex<Seen>>,
}

/// Entries, with their keys in the store: a document may be shown under another name.
type Seen = BTreeMap<ResourceKey, (ResourceKey, Arc<Entry>)>;

impl MirrorStore {
    /// Returns the store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    /// Makes the store hold exactly the resources of a ledger. Those that it has already cost nothing.
    ///
    /// # Errors
    /// None in practice: memory does not fail, and these documents match their keys.
    pub async fn reflect(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        let mut there = Seen::new();
        for (key, entry) in ledger.entries() {
            let known = seen.get(key).filter(|(_, old)| Arc::ptr_eq(old, entry)).cloned();
            let reflected = match known {
                Some(known) => known,
                None => {
                    let document = universal(entry);
                    let Ok(shown) = ResourceKey::of_document(&document) else { continue };
                    self.store.put(&shown, document, Expected::Any).await?;
                    (shown, Arc::clone(entry))
                }
            };
            there.insert(key.clone(), reflected);
        }
        for (shown, _) in seen.iter().filter(|(key, _)| !there.contains_key(*key)).map(|(_, known)| known) {
            self.store.delete(shown, Expected::Any).await?;
        }
        *seen = there;
        Ok(())
    }
}

/// Returns the Universal document of a resource that may be written as a Kubernetes manifest; with the computed labels.
pub fn universal(entry: &Entry) -> Value {
    let Entry { document, resource } = entry;
    let kind = resource.kind();
    let written = document.value();
    let mut shown = Map::new();
    shown.insert("type".into(), json!(kind.as_str()));
    if kind.scope() == Scope::Mesh {
        shown.insert("mesh".into(), json!(resource.meta().mesh.as_str()));
    }
    shown.insert("name".into(), json!(resource.meta().name.as_str()));
    if resource.meta().labels.iter().next().is_some() {
        shown.insert("labels".into(), json!(resource.meta().labels));
    }
    let is_manifest = written.get("apiVersion").is_some();
    let body = match &written["spec"] {
        Value::Object(spec) if is_manifest && kind.body() == Body::Inline => spec,
        _ => match written {
            Value::Object(members) => members,
            _ => return Value::Object(shown),
        },
    };
    for (key, value) in body {
        let of_manifest = is_manifest && matches!(key.as_str(), "apiVersion" | "kind" | "metadata");
        let computed = matches!(key.as_str(), "creationTime" | "modificationTime" | "kri");
        if !of_manifest && !computed && !shown.contains_key(key) && key != "labels" {
            shown.insert(key.clone(), value.clone());
        }
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Selection;
    use change::{Content, Options};

    const FILES: &str = "
type: Mesh
name: default
---
apiVersion: kuma.io/v1alpha1
kind: MeshTCPRoute
metadata: { name: canary, namespace: kuma-system, labels: { kuma.io/mesh: default } }
spec: { targetRef: { kind: Mesh } }
---
apiVersion: kuma.io/v1alpha1
kind: Dataplane
mesh: default
metadata: { name: web-1, namespace: shop }
spec: { networking: { address: 10.0.0.1, inbound: [{ port: 1, tags: { kuma.io/service: web } }] } }
";

    fn ledger(text: &str) -> Ledger {
        let content = Content::read("x.yaml", text.as_bytes(), &Options::default());
        assert!(content.is_good(), "{:?}", content.problems);
        content.entries.into_iter().collect()
    }

    #[tokio::test]
    async fn files_are_seen_as_a_store_has_them() {
        let mirror = MirrorStore::default();
        mirror.reflect(&ledger(FILES)).await.unwrap();
        let items = mirror.store().list(&Selection::default()).await.unwrap().items;
        let keys: Vec<String> = items.iter().map(|it| it.key.to_string()).collect();
        assert_eq!(
            keys,
            ["Mesh default", "Dataplane default/web-1.shop", "MeshTCPRoute default/canary.kuma-system"]
        );
        assert_eq!(items[1].document["networking"]["address"], "10.0.0.1");
        assert_eq!(items[2].document["spec"], json!({ "targetRef": { "kind": "Mesh" } }));
        // every one of them is acceptable to a store
        for item in &items {
            let document = model::draft::Document::from_value("x", item.document.clone());
            let parsed = model::draft::parse(&document, &Options::default());
            assert!(parsed.resource.is_some(), "{:?}", parsed.problems);
        }
        mirror.reflect(&ledger("type: Mesh\nname: default\n")).await.unwrap();
        assert_eq!(mirror.store().list(&Selection::default()).await.unwrap().items.len(), 1);
    }
    #[tokio::test]
    async fn only_what_changed_is_written() {
        let mirror = MirrorStore::default();
        let mut files = ledger(FILES);
        mirror.reflect(&files).await.unwrap();
        let revisions = async |mirror: &MirrorStore| -> Vec<_> {
            let items = mirror.store().list(&Selection::default()).await.unwrap().items;
            items.into_iter().map(|it| (it.key.to_string(), it.version)).collect()
        };
        let before = revisions(&mirror).await;
        mirror.reflect(&files).await.unwrap();
        assert_eq!(revisions(&mirror).await, before);
        let edited = ledger(
            "type: Mesh\nname: default\nmtls: { enabledBackend: ca, backends: [{ name: ca, type: builtin }] }\n",
        );
        edited.entries().for_each(|(_, entry)| files.put(Arc::clone(entry)));
        mirror.reflect(&files).await.unwrap();
        let after = revisions(&mirror).await;
        assert_ne!(after[0], before[0]);
        assert_eq!(after[1..], before[1..]);
    }
}
