//! The counters as Prometheus metrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

use crate::counters::{BackendSnapshot, ListenerSnapshot};
use crate::ending::Ending;
use crate::proxy::Published;

/// Reads the counters whenever metrics are encoded.
#[derive(Debug)]
pub(crate) struct Metrics {
    published: Arc<Published>,
}

impl Metrics {
    pub(crate) fn new(published: Arc<Published>) -> Self {
        Self { published }
    }
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let snapshot = self.published.snapshot();
        let listeners = &snapshot.listeners;
        let mut family = |name: &str, help: &str, kind, samples: Vec<(Labels<'_>, Sample)>| {
            let samples = Samples { kind, samples };
            samples.encode(encoder.encode_descriptor(name, help, None, kind)?)
        };
        let counter = MetricType::Counter;
        let gauge = MetricType::Gauge;

        family(
            "meshtcp_config_generation",
            "The number of the configuration that is carried",
            gauge,
            vec![(Vec::new(), Sample::Count(snapshot.generation))],
        )?;
        family(
            "meshtcp_log_lines_dropped",
            "Log lines that could not be written",
            counter,
            vec![(Vec::new(), Sample::Count(self.published.dropped_lines.load(Relaxed)))],
        )?;
        family(
            "meshtcp_connections_accepted",
            "Connections accepted",
            counter,
            each_listener(listeners, |listener| Sample::Count(listener.accepted)),
        )?;
        family(
            "meshtcp_connections_active",
            "Connections that live",
            gauge,
            each_listener(listeners, |listener| Sample::Count(listener.active)),
        )?;
        family(
            "meshtcp_connections_refused",
            "Connections that never reached a backend, by reason",
            counter,
            by_ending(listeners, Ending::is_refusal, "reason"),
        )?;
        family(
            "meshtcp_connections_ended",
            "Connections that reached a backend and ended, by how",
            counter,
            by_ending(listeners, |ending| !ending.is_refusal(), "ended"),
        )?;
        family(
            "meshtcp_connection_duration_seconds",
            "The sum of the durations of ended connections",
            counter,
            each_listener(listeners, |listener| Sample::Value(listener.duration_milliseconds as f64 / 1e3)),
        )?;
        family(
            "meshtcp_connect_time_seconds",
            "How long connecting to an endpoint took",
            MetricType::Histogram,
            each_listener(listeners, connect_times),
        )?;
        family(
            "meshtcp_split_wanted_ratio",
            "The configured share of a backend, 0 to 1",
            gauge,
            each_backend(listeners, |backend| backend.wanted.map(Sample::Value)),
        )?;
        family(
            "meshtcp_split_chosen",
            "How often the split chose a backend",
            counter,
            each_backend(listeners, |backend| Some(Sample::Count(backend.chosen))),
        )?;
        family(
            "meshtcp_backend_connections_opened",
            "Connections established to a backend",
            counter,
            each_backend(listeners, |backend| Some(Sample::Count(backend.opened))),
        )?;
        family(
            "meshtcp_backend_connections_active",
            "Connections to a backend that live",
            gauge,
            each_backend(listeners, |backend| Some(Sample::Count(backend.active))),
        )?;
        family(
            "meshtcp_backend_connections_outdated",
            "Connections to a backend that live and were decided by weights that are no longer in force",
            gauge,
            each_backend(listeners, |backend| Some(Sample::Count(backend.outdated))),
        )?;
        family(
            "meshtcp_backend_connections_cut",
            "Connections to a backend that the proxy ended although both ends wanted them",
            counter,
            each_backend(listeners, |backend| Some(Sample::Count(backend.cut))),
        )?;
        family(
            "meshtcp_backend_connections_reset",
            "Connections to a backend that one of the ends reset",
            counter,
            each_backend(listeners, |backend| Some(Sample::Count(backend.resets))),
        )?;
        family(
            "meshtcp_bytes_from_clients",
            "Bytes passed on to a backend",
            counter,
            each_backend(listeners, |backend| Some(Sample::Count(backend.bytes_from_clients))),
        )?;
        family(
            "meshtcp_bytes_to_clients",
            "Bytes passed on from a backend",
            counter,
            each_backend(listeners, |backend| Some(Sample::Count(backend.bytes_to_clients))),
        )?;
        family(
            "meshtcp_endpoint_connections_opened",
            "Connections established to an endpoint",
            counter,
            each_endpoint(listeners, |endpoint| endpoint.opened),
        )?;
        family(
            "meshtcp_endpoint_connect_failures",
            "Attempts to connect to an endpoint that failed",
            counter,
            each_endpoint(listeners, |endpoint| endpoint.failed),
        )
    }
}

fn listener_labels(listener: &ListenerSnapshot) -> Labels<'_> {
    vec![("proxy", listener.proxy.as_str()), ("listener", &listener.name)]
}

fn backend_labels<'a>(listener: &'a ListenerSnapshot, backend: &'a BackendSnapshot) -> Labels<'a> {
    let mut labels = listener_labels(listener);
    labels.extend([
        ("policy", &*backend.policy),
        ("backend", &*backend.reference),
        ("cluster", &*backend.cluster),
    ]);
    labels
}

fn each_listener(
    listeners: &[ListenerSnapshot],
    sample: impl Fn(&ListenerSnapshot) -> Sample,
) -> Vec<(Labels<'_>, Sample)> {
    listeners.iter().map(|listener| (listener_labels(listener), sample(listener))).collect()
}

fn by_ending<'a>(
    listeners: &'a [ListenerSnapshot],
    wanted: impl Fn(Ending) -> bool,
    label: &'static str,
) -> Vec<(Labels<'a>, Sample)> {
    let mut samples = Vec::new();
    for listener in listeners {
        for (ending, count) in listener.ended.iter().filter(|(ending, _)| wanted(**ending)) {
            let mut labels = listener_labels(listener);
            labels.push((label, ending.as_str()));
            samples.push((labels, Sample::Count(*count)));
        }
    }
    samples
}

fn each_backend(
    listeners: &[ListenerSnapshot],
    sample: impl Fn(&BackendSnapshot) -> Option<Sample>,
) -> Vec<(Labels<'_>, Sample)> {
    let mut samples = Vec::new();
    for listener in listeners {
        for backend in &listener.backends {
            samples.extend(sample(backend).map(|sample| (backend_labels(listener, backend), sample)));
        }
    }
    samples
}

fn each_endpoint(
    listeners: &[ListenerSnapshot],
    count: impl Fn(&crate::counters::EndpointSnapshot) -> u64,
) -> Vec<(Labels<'_>, Sample)> {
    let mut samples = Vec::new();
    for listener in listeners {
        for backend in &listener.backends {
            for endpoint in &backend.endpoints {
                let mut labels = backend_labels(listener, backend);
                labels.push(("endpoint", &*endpoint.name));
                samples.push((labels, Sample::Count(count(endpoint))));
            }
        }
    }
    samples
}

fn connect_times(listener: &ListenerSnapshot) -> Sample {
    let buckets = listener.connect_times.iter().map(|(bound, count)| {
        let bound = if *bound == u64::MAX { f64::MAX } else { *bound as f64 / 1e6 };
        (bound, *count)
    });
    Sample::Histogram { sum: listener.connect_microseconds as f64 / 1e6, buckets: buckets.collect() }
}

#[derive(Debug)]
enum Sample {
    Count(u64),
    Value(f64),
    Histogram { sum: f64, buckets: Vec<(f64, u64)> },
}

/// All samples of one metric.
#[derive(Debug)]
struct Samples<'a> {
    kind: MetricType,
    samples: Vec<(Labels<'a>, Sample)>,
}

impl EncodeMetric for Samples<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (labels, sample) in &self.samples {
            let labels = labels.as_slice();
            if labels.is_empty() {
                sample.encode(self.kind, &mut encoder)?;
            } else {
                sample.encode(self.kind, &mut encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}

impl Sample {
    fn encode(&self, kind: MetricType, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        type NoLabels = [(&'static str, &'static str); 0];
        let is_counter = matches!(kind, MetricType::Counter);
        match self {
            Self::Count(count) if is_counter => encoder.encode_counter::<NoLabels, u64, u64>(count, None),
            Self::Value(value) if is_counter => encoder.encode_counter::<NoLabels, f64, u64>(value, None),
            Self::Count(count) => encoder.encode_gauge(&i64::try_from(*count).unwrap_or(i64::MAX)),
            Self::Value(value) => encoder.encode_gauge(value),
            Self::Histogram { sum, buckets } => {
                let count = buckets.iter().map(|(_, count)| count).sum();
                encoder.encode_histogram::<NoLabels>(*sum, count, buckets, None)
            }
        }
    }
}
