//! Data path of connections, as metrics.

use std::fmt;
use std::sync::Arc;

use kernel::Left;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::DataPath;

/// Collector that reads the data path whenever metrics are encoded.
pub(crate) struct Metrics {
    data_path: Arc<DataPath>,
}

impl Metrics {
    pub(crate) fn new(data_path: Arc<DataPath>) -> Self {
        Self { data_path }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut paths = encoder.encode_descriptor(
            "meshtcp_listener_path",
            "Which way connections of a listener take: kernel or relay; always 1",
            None,
            MetricType::Gauge,
        )?;
        for (listener, path) in self.data_path.paths() {
            let labels =
                [("proxy", listener.proxy.as_str()), ("listener", &*listener.name), ("path", path.as_str())];
            ConstGauge::new(1i64).encode(paths.encode_family(&labels)?)?;
        }
        let Left { lost_records, no_address, held, bound_to_loopback, other_family, other_client } =
            self.data_path.left().unwrap_or_default();
        let mut left = encoder.encode_descriptor(
            "meshtcp_kernel_connections_left",
            "Connections of listeners that are decided about in the kernel that were left to the relay, by reason",
            None,
            MetricType::Counter,
        )?;
        for (reason, count) in [
            ("no-address", no_address),
            ("held", held),
            ("bound-to-loopback", bound_to_loopback),
            ("other-family", other_family),
            ("other-client", other_client),
        ] {
            ConstCounter::new(count).encode(left.encode_family(&[("reason", reason)])?)?;
        }
        let lost = encoder.encode_descriptor(
            "meshtcp_kernel_records_lost",
            "What was told of connections that nobody relayed, and not read in time",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(lost_records).encode(lost)
    }
}
