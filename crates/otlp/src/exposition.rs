//! Conversion of the text of `/metrics` to messages: metrics are made in one place, and parsed here.

mod line;
mod pieces;

use jiff::Timestamp;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

use crate::span::nanoseconds;
use crate::value::attribute;
use line::{Line, Sample};
pub(crate) use pieces::{in_pieces, points};

/// Begin of counting, and time of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) since: Timestamp,
    pub(crate) now: Timestamp,
}

/// Metrics of a text in OpenMetrics. Lines that are not of our own making are left out.
pub(crate) fn metrics(text: &str, times: Times) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for line in text.lines() {
        match Line::read(line) {
            Some(Line::Help(name, help)) => metrics.push(Metric {
                unit: unit(name).to_owned(),
                name: name.to_owned(),
                description: help.trim_end_matches('.').to_owned(),
                ..Metric::default()
            }),
            Some(Line::Type(name, kind)) => {
                if let Some(metric) = metrics.last_mut().filter(|metric| metric.name == name) {
                    metric.data = empty(kind);
                }
            }
            Some(Line::Sample(sample)) => {
                if let Some(metric) = metrics.last_mut() {
                    add(metric, sample, times);
                }
            }
            None => {}
        }
    }
    metrics.retain(|metric| points(metric) > 0);
    metrics
}

/// Unit of a metric, by the end of its name.
fn unit(name: &str) -> &'static str {
    let ends = |ending: &str| name.ends_with(ending);
    match () {
        () if ends("_seconds") => "s",
        () if ends("_bytes") => "By",
        () if ends("_ratio") => "1",
        () => "",
    }
}

fn empty(kind: &str) -> Option<Data> {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data_points = Vec::new();
    match kind {
        "counter" => Some(Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true })),
        "histogram" => Some(Data::Histogram(Histogram { data_points: Vec::new(), aggregation_temporality })),
        "gauge" | "unknown" | "info" => Some(Data::Gauge(Gauge { data_points })),
        _ => None,
    }
}

fn add(metric: &mut Metric, sample: Sample<'_>, times: Times) {
    let Some(suffix) = sample.name.strip_prefix(metric.name.as_str()) else { return };
    match (&mut metric.data, suffix) {
        (Some(Data::Sum(Sum { data_points, .. })), "_total") => {
            data_points.extend(number(&sample, Some(times.since), times.now));
        }
        (Some(Data::Gauge(Gauge { data_points })), "" | "_info") => {
            data_points.extend(number(&sample, None, times.now));
        }
        (Some(Data::Histogram(Histogram { data_points, .. })), _) => {
            add_to_histogram(data_points, &sample, suffix, times);
        }
        _ => {}
    }
}

/// Data point; a gauge has no start time. `None`: the value is not a number.
fn number(sample: &Sample<'_>, since: Option<Timestamp>, now: Timestamp) -> Option<NumberDataPoint> {
    let value = match sample.value.parse() {
        Ok(whole) => Number::AsInt(whole),
        Err(_) => Number::AsDouble(sample.value.parse().ok()?),
    };
    Some(NumberDataPoint {
        attributes: attributes(sample, ""),
        start_time_unix_nano: since.map_or(0, nanoseconds),
        time_unix_nano: nanoseconds(now),
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn add_to_histogram(points: &mut Vec<HistogramDataPoint>, sample: &Sample<'_>, suffix: &str, times: Times) {
    const BOUND: &str = "le";
    let attributes = attributes(sample, BOUND);
    if points.last().is_none_or(|last| last.attributes != attributes) {
        points.push(HistogramDataPoint {
            attributes,
            start_time_unix_nano: nanoseconds(times.since),
            time_unix_nano: nanoseconds(times.now),
            ..HistogramDataPoint::default()
        });
    }
    let Some(point) = points.last_mut() else { return };
    match suffix {
        "_sum" => point.sum = sample.value.parse().ok(),
        "_count" => point.count = sample.value.parse().unwrap_or_default(),
        "_bucket" => {
            let upto: u64 = sample.value.parse().unwrap_or_default();
            let before: u64 = point.bucket_counts.iter().sum();
            point.bucket_counts.push(upto.saturating_sub(before));
            let bound = sample.labels.iter().find(|(key, _)| *key == BOUND);
            let bound = bound.and_then(|(_, bound)| bound.parse().ok());
            point.explicit_bounds.extend(bound.filter(|bound: &f64| bound.is_finite() && *bound < f64::MAX));
        }
        _ => {}
    }
}

fn attributes(sample: &Sample<'_>, but: &str) -> Vec<KeyValue> {
    let labels = sample.labels.iter().filter(|(key, _)| *key != but);
    labels.map(|(key, value)| attribute(*key, value.as_str())).collect()
}

#[cfg(test)]
mod tests;
