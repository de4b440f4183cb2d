//! Store wrapper that counts calls.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use model::ResourceKey;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    Board, Expected, Fault, HistoryEntry, Listing, Put, PutResult, Revision, Selection, Store, StoreError,
    Stored, Watch,
};

/// Metrics of a store. Cloning shares the numbers.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    operations: Family<Labels, Counter>,
    seconds: Family<Operation, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0]);
        let operations = Family::<Labels, Counter>::default();
        // initialised to 0: a missing counter has no rate
        for operation in ["get", "list", "put", "put-all", "delete", "watch", "revision"] {
            for outcome in ["done", "refused", "failed"] {
                let _ = operations.get_or_create(&Labels { operation, outcome });
            }
        }
        Self { operations, seconds: Family::new_with_constructor(histogram) }
    }
}

impl StoreMetrics {
    /// Adds the metrics to a registry, under `store_`.
    pub fn register(&self, registry: &mut Registry) {
        let store = registry.sub_registry_with_prefix("store");
        store.register("operations", "What the store was asked, by what came of it", self.operations.clone());
        store.register("operation_seconds", "How long the store took to answer", self.seconds.clone());
    }

    fn note<T>(
        &self,
        operation: &'static str,
        since: Instant,
        answer: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let outcome = match &answer {
            Ok(_) => "done",
            Err(error) if error.fault() == Fault::Caller => "refused",
            Err(_) => "failed",
        };
        self.operations.get_or_create(&Labels { operation, outcome }).inc();
        self.seconds.get_or_create(&Operation { operation }).observe(since.elapsed().as_secs_f64());
        answer
    }
}

/// Store wrapper that counts calls.
#[derive(Debug)]
pub struct MeteredStore {
    store: Arc<dyn Store>,
    metrics: StoreMetrics,
}

impl MeteredStore {
    /// Wraps a store.
    pub fn new(store: Arc<dyn Store>, metrics: StoreMetrics) -> Self {
        Self { store, metrics }
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError> {
        let since = Instant::now();
        self.metrics.note("get", since, self.store.get(key).await)
    }

    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError> {
        let since = Instant::now();
        self.metrics.note("list", since, self.store.list(selection).await)
    }

    async fn put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
    ) -> Result<PutResult, StoreError> {
        let since = Instant::now();
        self.metrics.note("put", since, self.store.put(key, document, expected).await)
    }

    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError> {
        let since = Instant::now();
        self.metrics.note("put-all", since, self.store.put_all(puts).await)
    }

    async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError> {
        let since = Instant::now();
        self.metrics.note("delete", since, self.store.delete(key, expected).await)
    }

    async fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        let since = Instant::now();
        self.metrics.note("watch", since, self.store.watch(after).await)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        let since = Instant::now();
        self.metrics.note("revision", since, self.store.revision().await)
    }

    async fn remember(&self, changes: Vec<HistoryEntry>) -> Result<(), StoreError> {
        let since = Instant::now();
        self.metrics.note("remember", since, self.store.remember(changes).await)
    }

    async fn past(&self, key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
        let since = Instant::now();
        self.metrics.note("past", since, self.store.past(key).await)
    }

    fn describe(&self) -> String {
        self.store.describe()
    }

    fn leads(&self) -> watch::Receiver<bool> {
        self.store.leads()
    }

    fn board(&self) -> Option<Arc<dyn Board>> {
        self.store.board()
    }
}
