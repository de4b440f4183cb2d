//! Prometheus metrics of the counters.

mod health;
mod mirrors;
mod sample;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use l4::config::ProxyName;
use l4::counts::{BackendSnapshot, EndpointSnapshot, ListenerSnapshot, ProxySnapshot};
use l4::ending::Ending;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use sample::{Labels, Sample, Samples};

use crate::published::Published;

/// Collector that reads the counters whenever metrics are encoded.
#[derive(Debug)]
pub(crate) struct Metrics {
    published: Arc<Published>,
}

impl Metrics {
    pub(crate) fn new(published: Arc<Published>) -> Self {
        Self { published }
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let snapshot = self.published.snapshot();
        let (listeners, proxies) = (&snapshot.listeners, &snapshot.proxies);
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
        family("meshtcp_listener_info", "What a listener is for; always 1", gauge, purposes(listeners))?;
        family(
            "meshtcp_log_lines_dropped",
            "Log lines that could not be written",
            counter,
            vec![(Vec::new(), Sample::Count(self.published.dropped_lines.load(Relaxed)))],
        )?;
        family(
            "meshtcp_accept_rests",
            "Times that accepting rested because the process or the host was out of descriptors or memory",
            counter,
            vec![(Vec::new(), Sample::Count(snapshot.accept_rests))],
        )?;
        family(
            "meshtcp_connections_handed_over",
            "Connections that a worker pinned to a CPU accepted and handed to one with fewer",
            counter,
            vec![(Vec::new(), Sample::Count(snapshot.handed_over))],
        )?;
        family(
            "meshtcp_proxy_connections_accepted",
            "Connections accepted by all listeners of a proxy, also those that are gone",
            counter,
            each_proxy(proxies, |proxy| Sample::Count(proxy.accepted)),
        )?;
        family(
            "meshtcp_proxy_connections_active",
            "Connections that live, over all listeners of a proxy",
            gauge,
            each_proxy(proxies, |proxy| Sample::Count(proxy.active)),
        )?;
        family(
            "meshtcp_proxy_connections_ended",
            "Connections that ended or were refused, over all listeners of a proxy, also those that are gone, by how",
            counter,
            by_proxy_ending(proxies),
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
            each_listener(listeners, |listener| Sample::seconds(&listener.connect_times, 1e6)),
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
            "meshtcp_backend_connections_refused",
            "Connections that a backend was chosen for and that never reached it, by reason",
            counter,
            by_backend_ending(listeners, Ending::is_refusal, "reason"),
        )?;
        family(
            "meshtcp_backend_connections_ended",
            "Connections to a backend that ended, by how",
            counter,
            by_backend_ending(listeners, |ending| !ending.is_refusal(), "ended"),
        )?;
        family(
            "meshtcp_backend_connection_duration_seconds",
            "How long connections to a backend lived",
            MetricType::Histogram,
            each_backend(listeners, |backend| Some(Sample::seconds(&backend.durations, 1e3))),
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
            each_endpoint(listeners, |endpoint| Sample::Count(endpoint.opened)),
        )?;
        family(
            "meshtcp_endpoint_connections_active",
            "Connections to an endpoint that live",
            gauge,
            each_endpoint(listeners, |endpoint| Sample::Count(endpoint.active)),
        )?;
        family(
            "meshtcp_endpoint_connections_reset",
            "Connections to an endpoint that one of the ends reset",
            counter,
            each_endpoint(listeners, |endpoint| Sample::Count(endpoint.resets)),
        )?;
        family(
            "meshtcp_endpoint_bytes_from_clients",
            "Bytes passed on to an endpoint",
            counter,
            each_endpoint(listeners, |endpoint| Sample::Count(endpoint.bytes_from_clients)),
        )?;
        family(
            "meshtcp_endpoint_bytes_to_clients",
            "Bytes passed on from an endpoint",
            counter,
            each_endpoint(listeners, |endpoint| Sample::Count(endpoint.bytes_to_clients)),
        )?;
        family(
            "meshtcp_endpoint_connect_time_seconds",
            "How long connecting to an endpoint took",
            MetricType::Histogram,
            each_endpoint(listeners, |endpoint| Sample::seconds(&endpoint.connect_times, 1e6)),
        )?;
        family(
            "meshtcp_endpoint_connect_failures",
            "Attempts to connect to an endpoint that failed",
            counter,
            each_endpoint(listeners, |endpoint| Sample::Count(endpoint.failed)),
        )?;
        if let Some(queries) = self.published.dns.get() {
            let sample = |(outcome, count)| (vec![("outcome", outcome)], Sample::Count(count));
            family(
                "meshtcp_dns_queries",
                "Queries to the DNS server of the proxy, by what became of them",
                counter,
                queries.all().map(sample).collect(),
            )?;
        }
        tls::families(&self.published)
            .into_iter()
            .chain(health::families(&snapshot.clusters))
            .chain(mirrors::families(listeners))
            .try_for_each(|(name, help, kind, samples)| family(name, help, kind, samples))
    }
}

fn each_proxy(
    proxies: &BTreeMap<ProxyName, ProxySnapshot>,
    sample: impl Fn(&ProxySnapshot) -> Sample,
) -> Vec<(Labels<'_>, Sample)> {
    proxies.iter().map(|(name, proxy)| (vec![("proxy", name.as_str())], sample(proxy))).collect()
}

fn by_proxy_ending(proxies: &BTreeMap<ProxyName, ProxySnapshot>) -> Vec<(Labels<'_>, Sample)> {
    let each =
        proxies.iter().flat_map(|(name, proxy)| Ending::ALL.iter().map(move |ending| (name, proxy, ending)));
    let each = each.map(|(name, proxy, ending)| {
        let count = proxy.ended.get(ending).copied().unwrap_or(0);
        (vec![("proxy", name.as_str()), ("ended", ending.as_str())], Sample::Count(count))
    });
    each.collect()
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
        // starts at 0: a missing series has no rate, so that its first increment would raise no alert
        for ending in Ending::ALL.iter().filter(|ending| wanted(**ending)) {
            let mut labels = listener_labels(listener);
            labels.push((label, ending.as_str()));
            samples.push((labels, Sample::Count(listener.ended.get(ending).copied().unwrap_or(0))));
        }
    }
    samples
}

fn by_backend_ending<'a>(
    listeners: &'a [ListenerSnapshot],
    wanted: impl Fn(Ending) -> bool,
    label: &'static str,
) -> Vec<(Labels<'a>, Sample)> {
    let mut samples = Vec::new();
    for listener in listeners {
        for backend in &listener.backends {
            for (ending, count) in backend.ended.iter().filter(|(ending, _)| wanted(**ending)) {
                let mut labels = backend_labels(listener, backend);
                labels.push((label, ending.as_str()));
                samples.push((labels, Sample::Count(*count)));
            }
        }
    }
    samples
}

/// Returns one sample for each configured listener: the purpose behind its name.
fn purposes(listeners: &[ListenerSnapshot]) -> Vec<(Labels<'_>, Sample)> {
    let with_purpose = listeners.iter().filter_map(|listener| {
        let (direction, destination) = listener.purpose.as_ref()?;
        let mut labels = listener_labels(listener);
        labels.push(("direction", direction.as_str()));
        labels.push(("destination", destination));
        Some((labels, Sample::Count(1)))
    });
    with_purpose.collect()
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
    sample: impl Fn(&EndpointSnapshot) -> Sample,
) -> Vec<(Labels<'_>, Sample)> {
    let mut samples = Vec::new();
    for listener in listeners {
        for backend in &listener.backends {
            for endpoint in &backend.endpoints {
                let mut labels = backend_labels(listener, backend);
                labels.push(("endpoint", &*endpoint.name));
                samples.push((labels, sample(endpoint)));
            }
        }
    }
    samples
}
