//! Table of the metrics of connections: name, help text, type, and what is counted, in the order of the text.

use std::sync::atomic::Ordering::Relaxed;

use l4::counts::{BackendSnapshot, CounterSnapshot, EndpointSnapshot, ListenerSnapshot, ProxySnapshot};
use l4::ending::Ending;
use prometheus_client::metrics::MetricType;

use super::sample::Sample::{self, Count, Value};
use crate::published::Published;

/// Metric: its name, help text, type, and what is counted.
pub(super) type Row = (&'static str, &'static str, MetricType, Of);

/// What a metric counts: its series, and the value of each.
pub(super) enum Of {
    Process(fn(&Published, &CounterSnapshot) -> u64),
    Proxies(fn(&ProxySnapshot) -> u64),
    ProxyEndings,
    /// What each configured listener is for.
    Purposes,
    Listeners(fn(&ListenerSnapshot) -> Sample),
    ListenerEndings(Endings),
    Backends(fn(&BackendSnapshot) -> Option<Sample>),
    BackendEndings(Endings),
    Endpoints(fn(&EndpointSnapshot) -> Sample),
}

/// Some of the ways in which connections end, and the label that names them.
#[derive(Clone, Copy)]
pub(super) struct Endings {
    pub(super) label: &'static str,
    pub(super) has: fn(Ending) -> bool,
}

const REFUSED: Endings = Endings { label: "reason", has: Ending::is_refusal };
const ENDED: Endings = Endings { label: "ended", has: |ending| !ending.is_refusal() };

macro_rules! table {
    ($($name:literal, $help:literal, $kind:ident, $of:expr;)+) => {
        &[$(($name, $help, MetricType::$kind, $of)),+]
    };
}

pub(super) const TABLE: &[Row] = table! {
    "meshtcp_config_generation", "The number of the configuration that is carried",
        Gauge, Of::Process(|_, snapshot| snapshot.generation);
    "meshtcp_listener_info", "What a listener is for; always 1",
        Gauge, Of::Purposes;
    "meshtcp_log_lines_dropped", "Log lines that could not be written",
        Counter, Of::Process(|published, _| published.dropped_lines.load(Relaxed));
    "meshtcp_accept_rests",
    "Times that accepting rested because the process or the host was out of descriptors or memory",
        Counter, Of::Process(|_, snapshot| snapshot.accept_rests);
    "meshtcp_connections_handed_over",
    "Connections that a worker pinned to a CPU accepted and handed to one with fewer",
        Counter, Of::Process(|_, snapshot| snapshot.handed_over);
    "meshtcp_proxy_connections_accepted",
    "Connections accepted by all listeners of a proxy, also those that are gone",
        Counter, Of::Proxies(|proxy| proxy.accepted);
    "meshtcp_proxy_connections_active", "Connections that live, over all listeners of a proxy",
        Gauge, Of::Proxies(|proxy| proxy.active);
    "meshtcp_proxy_connections_ended",
    "Connections that ended or were refused, over all listeners of a proxy, also those that are gone, by how",
        Counter, Of::ProxyEndings;
    "meshtcp_connections_accepted", "Connections accepted",
        Counter, Of::Listeners(|listener| Count(listener.accepted));
    "meshtcp_connections_active", "Connections that live",
        Gauge, Of::Listeners(|listener| Count(listener.active));
    "meshtcp_connections_refused", "Connections that never reached a backend, by reason",
        Counter, Of::ListenerEndings(REFUSED);
    "meshtcp_connections_ended", "Connections that reached a backend and ended, by how",
        Counter, Of::ListenerEndings(ENDED);
    "meshtcp_connection_duration_seconds", "The sum of the durations of ended connections",
        Counter, Of::Listeners(|listener| Value(listener.duration_milliseconds as f64 / 1e3));
    "meshtcp_connect_time_seconds", "How long connecting to an endpoint took",
        Histogram, Of::Listeners(|listener| Sample::seconds(&listener.connect_times, 1e6));
    "meshtcp_split_wanted_ratio", "The configured share of a backend, 0 to 1",
        Gauge, Of::Backends(|backend| backend.wanted.map(Value));
    "meshtcp_split_chosen", "How often the split chose a backend",
        Counter, Of::Backends(|backend| Some(Count(backend.chosen)));
    "meshtcp_backend_connections_opened", "Connections established to a backend",
        Counter, Of::Backends(|backend| Some(Count(backend.opened)));
    "meshtcp_backend_connections_active", "Connections to a backend that live",
        Gauge, Of::Backends(|backend| Some(Count(backend.active)));
    "meshtcp_backend_connections_outdated",
    "Connections to a backend that live and were decided by weights that are no longer in force",
        Gauge, Of::Backends(|backend| Some(Count(backend.outdated)));
    "meshtcp_backend_connections_cut",
    "Connections to a backend that the proxy ended although both ends wanted them",
        Counter, Of::Backends(|backend| Some(Count(backend.cut)));
    "meshtcp_backend_connections_reset", "Connections to a backend that one of the ends reset",
        Counter, Of::Backends(|backend| Some(Count(backend.resets)));
    "meshtcp_backend_connections_refused",
    "Connections that a backend was chosen for and that never reached it, by reason",
        Counter, Of::BackendEndings(REFUSED);
    "meshtcp_backend_connections_ended", "Connections to a backend that ended, by how",
        Counter, Of::BackendEndings(ENDED);
    "meshtcp_backend_connection_duration_seconds", "How long connections to a backend lived",
        Histogram, Of::Backends(|backend| Some(Sample::seconds(&backend.durations, 1e3)));
    "meshtcp_bytes_from_clients", "Bytes passed on to a backend",
        Counter, Of::Backends(|backend| Some(Count(backend.bytes_from_clients)));
    "meshtcp_bytes_to_clients", "Bytes passed on from a backend",
        Counter, Of::Backends(|backend| Some(Count(backend.bytes_to_clients)));
    "meshtcp_endpoint_connections_opened", "Connections established to an endpoint",
        Counter, Of::Endpoints(|endpoint| Count(endpoint.opened));
    "meshtcp_endpoint_connections_active", "Connections to an endpoint that live",
        Gauge, Of::Endpoints(|endpoint| Count(endpoint.active));
    "meshtcp_endpoint_connections_reset", "Connections to an endpoint that one of the ends reset",
        Counter, Of::Endpoints(|endpoint| Count(endpoint.resets));
    "meshtcp_endpoint_bytes_from_clients", "Bytes passed on to an endpoint",
        Counter, Of::Endpoints(|endpoint| Count(endpoint.bytes_from_clients));
    "meshtcp_endpoint_bytes_to_clients", "Bytes passed on from an endpoint",
        Counter, Of::Endpoints(|endpoint| Count(endpoint.bytes_to_clients));
    "meshtcp_endpoint_connect_time_seconds", "How long connecting to an endpoint took",
        Histogram, Of::Endpoints(|endpoint| Sample::seconds(&endpoint.connect_times, 1e6));
    "meshtcp_endpoint_connect_failures", "Attempts to connect to an endpoint that failed",
        Counter, Of::Endpoints(|endpoint| Count(endpoint.failed));
};
