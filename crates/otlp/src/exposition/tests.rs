use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as Level;
use prometheus_client::metrics::histogram::Histogram as Buckets;
use prometheus_client::registry::Registry;

use super::*;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    backend: String,
}

fn text() -> String {
    let mut registry = Registry::default();
    let chosen = Family::<Labels, Counter>::default();
    for (backend, number) in [("v1", 3), ("a \"b\"\\\n{c=\"d\"}, e", 4)] {
        chosen.get_or_create(&Labels { backend: backend.to_owned() }).inc_by(number);
    }
    registry.register("chosen", "How often", chosen);
    let open = Level::<i64>::default();
    open.set(-2);
    registry.register("memory_bytes", "Memory", open);
    let times = Buckets::new([0.5, 2.5]);
    [0.25, 1.0, 1.0, 100.0].into_iter().for_each(|it| times.observe(it));
    registry.register("connect_seconds", "Times", times);
    registry.register("nothing", "Nothing", Family::<Labels, Counter>::default());
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

fn read() -> Vec<Metric> {
    let since = Timestamp::from_second(100).unwrap();
    metrics(&text(), Times { since, now: Timestamp::from_second(200).unwrap() })
}

#[test]
fn what_is_printed_is_told_with_the_same_names_labels_and_values() {
    let read = read();
    let names: Vec<_> =
        read.iter().map(|it| (it.name.as_str(), it.unit.as_str(), it.description.as_str())).collect();
    let wanted =
        [("chosen", "", "How often"), ("memory_bytes", "By", "Memory"), ("connect_seconds", "s", "Times")];
    assert_eq!(names, wanted, "and nothing of what has no values");

    let Some(Data::Sum(sum)) = &read[0].data else { panic!("{:?}", read[0]) };
    assert!(sum.is_monotonic && sum.aggregation_temporality == AggregationTemporality::Cumulative as i32);
    let of = |backend: &str| {
        let attributes = vec![attribute("backend", backend)];
        let found = sum.data_points.iter().find(|point| point.attributes == attributes);
        let point = found.unwrap_or_else(|| panic!("{backend}: {sum:?}"));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (100_000_000_000, 200_000_000_000));
        point.value
    };
    assert_eq!(of("v1"), Some(Number::AsInt(3)));
    assert_eq!(of("a \"b\"\\\n{c=\"d\"}, e"), Some(Number::AsInt(4)));

    let Some(Data::Gauge(gauge)) = &read[1].data else { panic!("{:?}", read[1]) };
    assert_eq!(gauge.data_points[0].value, Some(Number::AsInt(-2)));

    let Some(Data::Histogram(histogram)) = &read[2].data else { panic!("{:?}", read[2]) };
    let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
    assert_eq!((point.count, point.sum), (4, Some(102.25)));
    assert_eq!((&point.explicit_bounds[..], &point.bucket_counts[..]), (&[0.5, 2.5][..], &[1, 2, 1][..]));
}

#[test]
fn many_points_go_in_pieces_and_none_is_lost() {
    let whole = read();
    let all: usize = whole.iter().map(points).sum();
    for most in 1..=all {
        let pieces = in_pieces(whole.clone(), most);
        assert_eq!(pieces.len(), all.div_ceil(most), "{most}");
        assert!(pieces.iter().all(|piece| piece.iter().map(points).sum::<usize>() <= most), "{most}");
        assert_eq!(pieces.iter().flatten().map(points).sum::<usize>(), all);
    }
}

#[test]
fn what_is_no_metric_is_left_out() {
    let times = Times { since: Timestamp::UNIX_EPOCH, now: Timestamp::UNIX_EPOCH };
    for nothing in [
        "",
        "x",
        "x{",
        "x{a",
        "x{a=\"",
        "x{a=\"b\"",
        "# HELP",
        "# TYPE a b",
        "# HELP a b\n# TYPE a summary\na 1",
        "\\\"",
    ] {
        assert!(metrics(nothing, times).is_empty(), "{nothing}");
    }
}
