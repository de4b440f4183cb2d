//! Allocation of virtual IPs and host names: one control plane assigns them to all services of a store and writes them
//! into their statuses.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use change::addresses::{Addresses, AssignedVips, Ranges, has_addresses};
use change::{Entry, Ledger};
use model::{Kind, ResourceKey};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::run::Current;
use crate::store::{Expected, Store, StoreError};

/// Interval between looks without a change; a write that failed is retried then.
const LOOKS: Duration = Duration::from_secs(5);
/// Delay after a change, to collect related changes.
const COLLECTS: Duration = Duration::from_millis(100);

/// Assigns services addresses from these ranges, as long as it is polled. Each look writes only what differs. A service
/// keeps the address that it has; while this runs, nobody else gets it, nor those of some thousand deleted services.
pub async fn keep(store: Arc<dyn Store>, ranges: Ranges, mut current: watch::Receiver<Arc<Current>>) {
    let mut memory = AssignedVips::default();
    let mut full = BTreeSet::new();
    // entries of the last look, if all of it was written
    let mut done: Vec<Arc<Entry>> = Vec::new();
    loop {
        let state = Arc::clone(&current.borrow_and_update());
        let ledger = state.adopted.as_ref().map(|(ledger, _)| ledger);
        let looked_at = ledger.map(concerned).unwrap_or_default();
        // most changes are of proxies
        let is_done = looked_at.len() == done.len()
            && looked_at.iter().zip(&done).all(|(now, before)| Arc::ptr_eq(now, before));
        if let Some(ledger) = ledger.filter(|_| !is_done) {
            let addresses = Addresses::of(ledger.resources().map(Arc::as_ref), &ranges, &memory);
            addresses.teach(&mut memory);
            let told: BTreeSet<String> = addresses.full().into_iter().collect();
            for news in told.difference(&full) {
                tracing::warn!("{news}; give them a larger range");
            }
            full = told;
            done = match write(&*store, ledger, &addresses).await {
                Ok(()) => looked_at,
                Err(error) => {
                    tracing::debug!(%error, "addresses of services are not written down");
                    Vec::new()
                }
            };
        }
        match timeout(LOOKS, current.changed()).await {
            // the sender is gone: the process ends
            Ok(Err(_)) => return,
            Ok(Ok(())) => tokio::time::sleep(COLLECTS).await,
            Err(_) => {}
        }
    }
}

/// Entries that addresses depend on: services and HostnameGenerators.
fn concerned(ledger: &Ledger) -> Vec<Arc<Entry>> {
    let is_concerned = |key: &ResourceKey| has_addresses(key.kind) || key.kind == Kind::HostnameGenerator;
    ledger.entries().filter(|(key, _)| is_concerned(key)).map(|(_, entry)| Arc::clone(entry)).collect()
}

/// Writes statuses that differ. A resource that changed since the look is left for the next look.
async fn write(store: &dyn Store, ledger: &Ledger, addresses: &Addresses) -> Result<(), StoreError> {
    for key in addresses.keys() {
        let Some(seen) = ledger.get(key).map(|entry| entry.document.value()) else { continue };
        let mut document = seen.clone();
        if !addresses.write(key, &mut document) {
            continue;
        }
        let Some(stored) = store.get(key).await?.filter(|stored| stored.document == *seen) else { continue };
        match store.put(key, document, Expected::Version(stored.version)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use change::Options;
    use change::compile::{Compiler, PlanScope, ProxySelection};
    use dialect::envoy::EnvoyOptions;
    use plan::Context;
    use serde_json::{Value, json};

    use super::*;
    use crate::sources::{Source, StoreSource};
    use crate::store::{Effect, MemoryStore};

    /// Content of a store as the loop would publish it.
    async fn current(store: &Arc<dyn Store>) -> Arc<Current> {
        let (mut source, feeder) = StoreSource::new(Arc::clone(store), Options::default());
        let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
        let feeding = tokio::spawn(feeder.run(move || woken.send(()).unwrap_or_default()));
        wakes.recv().await.unwrap();
        feeding.abort();
        source.refresh(Instant::now());
        let compiler = Compiler {
            context: Context::default(),
            scope: PlanScope { mesh: None, which: ProxySelection::All },
            envoy: EnvoyOptions::default(),
        };
        let mut adopted = None;
        source.settle(&mut |candidate| {
            adopted = Some((candidate.ledger.clone(), Arc::new(compiler.compile(&candidate.ledger))));
            Ok(())
        });
        Arc::new(Current { adopted, ..Current::default() })
    }

    async fn put(store: &Arc<dyn Store>, document: Value) -> Effect {
        let key = ResourceKey::of_document(&document).unwrap();
        store.put(&key, document, Expected::Any).await.unwrap().effect
    }

    fn service(name: &str, status: Value) -> Value {
        json!({ "type": "MeshService", "mesh": "default", "name": name, "spec": { "ports": [{ "port": 80 }] }, "status": status })
    }

    async fn status(store: &Arc<dyn Store>, name: &str) -> Value {
        let key = ResourceKey::new(Kind::MeshService, "default", name);
        store.get(&key).await.unwrap().unwrap().document["status"].clone()
    }

    #[tokio::test]
    async fn services_get_addresses_and_names_and_nothing_is_written_twice() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        put(
            &store,
            json!({ "type": "HostnameGenerator", "name": "local", "spec": {
            "selector": { "meshService": {} }, "template": "{{ .DisplayName }}.svc.mesh.local" } }),
        )
        .await;
        put(&store, service("redis", json!({ "tls": { "status": "Ready" } }))).await;
        let taken = json!({ "vips": [{ "ip": "241.0.0.9" }] });
        put(&store, service("a", taken.clone())).await;
        put(&store, service("b", taken)).await;
        let (send, receive) = watch::channel(current(&store).await);
        let job = tokio::spawn(keep(Arc::clone(&store), Ranges::default(), receive));
        let deadline = Instant::now() + Duration::from_secs(20);
        while status(&store, "redis").await["vips"].is_null() {
            assert!(Instant::now() < deadline, "nothing was written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let redis = status(&store, "redis").await;
        assert_eq!(redis["addresses"][0]["hostname"], "redis.svc.mesh.local");
        assert_eq!(redis["tls"]["status"], "Ready", "what others write stays");
        let (a, b) = (status(&store, "a").await, status(&store, "b").await);
        assert_eq!(a["vips"][0]["ip"], "241.0.0.9");
        assert_ne!(b["vips"], a["vips"], "a conflict is healed");
        let revision = store.revision().await.unwrap();
        send.send_replace(current(&store).await);
        drop(send);
        job.await.unwrap();
        assert_eq!(store.revision().await.unwrap(), revision);
    }

    #[tokio::test]
    async fn what_changed_since_it_was_looked_at_is_left_for_the_next_look() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        put(&store, service("redis", json!({}))).await;
        let seen = current(&store).await;
        let by_hand = json!({ "vips": [{ "ip": "10.0.0.7" }] });
        assert_eq!(put(&store, service("redis", by_hand.clone())).await, Effect::Changed);
        let (ledger, _) = seen.adopted.as_ref().unwrap();
        let resources = ledger.resources().map(Arc::as_ref);
        let addresses = Addresses::of(resources, &Ranges::default(), &AssignedVips::default());
        write(&*store, ledger, &addresses).await.unwrap();
        assert_eq!(status(&store, "redis").await, by_hand);
    }
}
