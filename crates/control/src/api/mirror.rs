//! The resources of files as a store that the API can read.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::resource::{Body, Scope};
use serde_json::{Map, Value, json};

use crate::store::folder::{Candidate, Entry};
use crate::store::{Expected, Key, MemoryStore, Selection, Store, StoreError};

/// The resources of files as a store that the API can read. What is written to it does not reach the files.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    store: MemoryStore,
}

impl Mirror {
    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    /// What a candidate says, in the Universal format.
    pub fn documents(candidate: &Candidate) -> Vec<Value> {
        candidate.offers.iter().map(|offer| universal(&offer.entry)).collect()
    }

    /// Keeps these documents and no others.
    ///
    /// # Errors
    /// None in practice: memory does not fail, and these documents say what they are.
    pub async fn reflect(&self, documents: Vec<Value>) -> Result<(), StoreError> {
        let mut there = BTreeSet::new();
        for document in documents {
            let Ok(key) = Key::of_document(&document) else { continue };
            self.store.put(&key, document, Expected::Any).await?;
            there.insert(key);
        }
        for stored in self.store.list(&Selection::default()).await?.items {
            if !there.contains(&stored.key) {
                self.store.delete(&stored.key, Expected::Any).await?;
            }
        }
        Ok(())
    }
}

/// A resource that may be written as a Kubernetes manifest; with the labels that were computed.
fn universal(entry: &Entry) -> Value {
    let Entry { document, resource } = entry;
    let kind = resource.kind();
    let written = document.value();
    let mut shown = Map::new();
    shown.insert("type".into(), json!(kind.as_str()));
    if kind.scope() == Scope::Mesh {
        shown.insert("mesh".into(), json!(resource.meta.mesh.as_str()));
    }
    shown.insert("name".into(), json!(resource.meta.name.as_str()));
    if resource.meta.labels.iter().next().is_some() {
        shown.insert("labels".into(), json!(resource.meta.labels));
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
    use crate::store::folder::{Content, Offer, Options};

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

    fn documents(text: &str) -> Vec<Value> {
        let content = Content::read("x.yaml", text.as_bytes(), &Options::default());
        assert!(content.is_good(), "{:?}", content.problems);
        let offers = content.entries.iter().map(|entry| Offer { file: "x".into(), entry: Arc::clone(entry) });
        Mirror::documents(&Candidate { offers: offers.collect(), ..Candidate::default() })
    }

    #[tokio::test]
    async fn files_are_seen_as_a_store_has_them() {
        let mirror = Mirror::default();
        mirror.reflect(documents(FILES)).await.unwrap();
        let items = mirror.store().list(&Selection::default()).await.unwrap().items;
        let keys: Vec<String> = items.iter().map(|it| it.key.to_string()).collect();
        assert_eq!(
            keys,
            ["Mesh default", "Dataplane default/web-1.shop", "MeshTCPRoute default/canary.kuma-system"]
        );
        assert_eq!(items[1].document["networking"]["address"], "10.0.0.1");
        assert_eq!(items[2].document["spec"], json!({ "targetRef": { "kind": "Mesh" } }));
        // every one of them is what a store would accept
        for item in &items {
            let document = model::draft::Document::from_value("x", item.document.clone());
            let parsed = model::draft::parse(&document, &Options::default());
            assert!(parsed.resource.is_some(), "{:?}", parsed.problems);
        }
        mirror.reflect(documents("type: Mesh\nname: default\n")).await.unwrap();
        assert_eq!(mirror.store().list(&Selection::default()).await.unwrap().items.len(), 1);
    }
}
