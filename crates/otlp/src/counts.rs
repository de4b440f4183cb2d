//! Counters of the export.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use crate::signal::Signal;

/// Counters of the export; for a registry. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct ExportCounts {
    /// Prefix of the names of metrics, where the registry has none.
    prefix: &'static str,
    of: Arc<[SignalCounts; 3]>,
}

/// Counters of one signal.
#[derive(Debug, Default)]
struct SignalCounts {
    exported: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
}

impl ExportCounts {
    /// Returns the same counters, with names that begin with `prefix`.
    #[must_use]
    pub fn called(&self, prefix: &'static str) -> Self {
        Self { prefix, of: Arc::clone(&self.of) }
    }

    fn of(&self, signal: Signal) -> &SignalCounts {
        let [traces, metrics, logs] = &*self.of;
        match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        }
    }

    pub(crate) fn exported(&self, signal: Signal, number: u64) {
        self.of(signal).exported.fetch_add(number, Relaxed);
    }

    pub(crate) fn dropped(&self, signal: Signal, number: u64) {
        self.of(signal).dropped.fetch_add(number, Relaxed);
    }

    pub(crate) fn failed(&self, signal: Signal) {
        self.of(signal).failures.fetch_add(1, Relaxed);
    }
}

/// Getter of one counter of a signal.
type Number = fn(&SignalCounts) -> &AtomicU64;

impl Collector for ExportCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let families: [(&str, &str, Number); 3] = [
            ("otlp_exported", "Spans, points of metrics and log records that a collector has taken", |of| {
                &of.exported
            }),
            (
                "otlp_dropped",
                "Spans, points of metrics and log records that no collector has got, or that it refused",
                |of| &of.dropped,
            ),
            ("otlp_export_failures", "Requests that a collector did not take", |of| &of.failures),
        ];
        for (name, help, number) in families {
            let name = format!("{}{name}", self.prefix);
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for signal in Signal::ALL {
                let count = ConstCounter::new(number(self.of(signal)).load(Relaxed));
                count.encode(family.encode_family(&[("signal", signal.as_str())])?)?;
            }
        }
        Ok(())
    }
}
