//! Samples, and their encoding.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

use l4::counts::HistogramSnapshot;

/// Labels of one sample.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Metric: its name, help text, type and samples.
pub(super) type Family<'a> = (&'static str, &'static str, MetricType, Vec<(Labels<'a>, Sample)>);

/// Metrics as a table: name, help text, type, samples.
macro_rules! families {
    ($($name:literal, $help:literal, $kind:ident, $samples:expr;)+) => {
        vec![$(($name, $help, prometheus_client::metrics::MetricType::$kind, $samples)),+]
    };
}

pub(super) use families;

/// One value.
#[derive(Debug)]
pub(super) enum Sample {
    Count(u64),
    Value(f64),
    Histogram { sum: f64, buckets: Vec<(f64, u64)> },
}

impl Sample {
    /// Returns a histogram in seconds, from bounds in fractions of a second.
    pub(super) fn seconds(histogram: &HistogramSnapshot, parts: f64) -> Self {
        let buckets = histogram.buckets.iter().map(|(bound, count)| {
            let bound = if *bound == u64::MAX { f64::MAX } else { *bound as f64 / parts };
            (bound, *count)
        });
        Self::Histogram { sum: histogram.sum as f64 / parts, buckets: buckets.collect() }
    }
}

/// Samples of one metric.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    pub(super) kind: MetricType,
    pub(super) samples: Vec<(Labels<'a>, Sample)>,
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
