//! Prometheus metrics of the counters.

mod health;
mod mirrors;
mod sample;
mod table;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use l4::config::ProxyName;
use l4::counts::{BackendSnapshot, CounterSnapshot, EndpointSnapshot, ListenerSnapshot, ProxySnapshot};
use l4::ending::Ending;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use sample::{Labels, Sample, Samples};
use table::{Endings, Of, TABLE};

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
        let mut family = |name: &str, help: &str, kind, samples: Vec<(Labels<'_>, Sample)>| {
            let samples = Samples { kind, samples };
            samples.encode(encoder.encode_descriptor(name, help, None, kind)?)
        };
        for (name, help, kind, of) in TABLE {
            family(name, help, *kind, samples(of, &self.published, &snapshot))?;
        }
        if let Some(queries) = self.published.dns.get() {
            let sample = |(outcome, count)| (vec![("outcome", outcome)], Sample::Count(count));
            family(
                "meshtcp_dns_queries",
                "Queries to the DNS server of the proxy, by what became of them",
                MetricType::Counter,
                queries.all().map(sample).collect(),
            )?;
        }
        tls::families(&self.published)
            .into_iter()
            .chain(health::families(&snapshot.clusters))
            .chain(mirrors::families(&snapshot.listeners))
            .try_for_each(|(name, help, kind, samples)| family(name, help, kind, samples))
    }
}

/// Samples of a row of the table.
fn samples<'a>(of: &Of, published: &Published, snapshot: &'a CounterSnapshot) -> Vec<(Labels<'a>, Sample)> {
    let (listeners, proxies) = (&snapshot.listeners, &snapshot.proxies);
    match of {
        Of::Process(count) => vec![(Vec::new(), Sample::Count(count(published, snapshot)))],
        Of::Proxies(count) => each_proxy(proxies, |proxy| Sample::Count(count(proxy))),
        Of::ProxyEndings => by_proxy_ending(proxies),
        Of::Purposes => purposes(listeners),
        Of::Listeners(sample) => each_listener(listeners, sample),
        Of::ListenerEndings(endings) => by_ending(listeners, *endings),
        Of::Backends(sample) => each_backend(listeners, sample),
        Of::BackendEndings(endings) => by_backend_ending(listeners, *endings),
        Of::Endpoints(sample) => each_endpoint(listeners, sample),
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

fn by_ending(listeners: &[ListenerSnapshot], Endings { label, has }: Endings) -> Vec<(Labels<'_>, Sample)> {
    let mut samples = Vec::new();
    for listener in listeners {
        // starts at 0: a missing series has no rate, so that its first increment would raise no alert
        for ending in Ending::ALL.iter().filter(|ending| has(**ending)) {
            let mut labels = listener_labels(listener);
            labels.push((label, ending.as_str()));
            samples.push((labels, Sample::Count(listener.ended.get(ending).copied().unwrap_or(0))));
        }
    }
    samples
}

fn by_backend_ending(
    listeners: &[ListenerSnapshot],
    Endings { label, has }: Endings,
) -> Vec<(Labels<'_>, Sample)> {
    let mut samples = Vec::new();
    for listener in listeners {
        for backend in &listener.backends {
            for (ending, count) in backend.ended.iter().filter(|(ending, _)| has(**ending)) {
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
