//! Request metrics of the API.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Request metrics of the API. Cloning shares the numbers.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    /// Number of open connections.
    pub(super) connections: Gauge,
}

/// Labels of a request. Paths are those of the table, so a caller cannot make up labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    path: &'static str,
    status: u16,
}

impl Default for ApiMetrics {
    fn default() -> Self {
        let bounds = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0];
        Self { requests: Family::default(), seconds: Histogram::new(bounds), connections: Gauge::default() }
    }
}

impl ApiMetrics {
    /// Adds the metrics to a registry, under `api_`.
    pub fn register(&self, registry: &mut Registry) {
        let api = registry.sub_registry_with_prefix("api");
        api.register(
            "requests",
            "Requests to the API, by path of the table and status",
            self.requests.clone(),
        );
        api.register("request_seconds", "How long requests to the API took", self.seconds.clone());
        api.register("connections", "Connections to the API that are open", self.connections.clone());
    }

    pub(super) fn answered(
        &self,
        method: &axum::http::Method,
        path: &'static str,
        status: u16,
        took: Duration,
    ) {
        let labels = RequestLabels { method: method.as_str().to_owned(), path, status };
        self.requests.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
