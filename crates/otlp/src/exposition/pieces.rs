//! Division of metrics into requests of bounded size: collectors accept a few megabytes at once.

use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

/// Number of points of a metric.
pub(crate) fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => 0,
    }
}

/// Divides metrics into pieces of `most` points at most.
pub(crate) fn in_pieces(metrics: Vec<Metric>, most: usize) -> Vec<Vec<Metric>> {
    let mut pieces: Vec<Vec<Metric>> = Vec::new();
    let mut room = 0;
    for mut metric in metrics {
        while points(&metric) > 0 {
            if room == 0 {
                pieces.push(Vec::new());
                room = most.max(1);
            }
            let rest = (points(&metric) > room).then(|| split(&mut metric, room));
            room -= points(&metric);
            let Some(piece) = pieces.last_mut() else { break };
            piece.push(metric);
            let Some(rest) = rest else { break };
            metric = rest;
        }
    }
    pieces
}

/// Leaves `at` points in a metric, and returns the others under the same name.
fn split(metric: &mut Metric, at: usize) -> Metric {
    let mut rest = metric.clone();
    match (&mut metric.data, &mut rest.data) {
        (Some(Data::Sum(first)), Some(Data::Sum(last))) => last.data_points = first.data_points.split_off(at),
        (Some(Data::Gauge(first)), Some(Data::Gauge(last))) => {
            last.data_points = first.data_points.split_off(at);
        }
        (Some(Data::Histogram(first)), Some(Data::Histogram(last))) => {
            last.data_points = first.data_points.split_off(at);
        }
        _ => {}
    }
    rest
}
