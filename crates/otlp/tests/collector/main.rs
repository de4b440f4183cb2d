//! Export to collectors, also to unreachable and unusable ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod grpc;
mod http;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use meshtcp_otlp::{Exporter, Settings, Span};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use http::{Answer, Http};

const LINE: &str = r#"{"time":"2026-11-29T12:00:00.250Z","id":7,"proxy":"web","client":"10.0.0.1:4000","backend":"redis","endpoint":"10.0.0.2:6379","bytes_to_client":12,"duration_ms":1500,"ended":"client-closed","why":null}"#;

/// Exporter with these variables.
fn exporter(variables: &[(&str, &str)]) -> Exporter {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let reading = Settings::read(&|name| variables.get(name).cloned(), "meshtcp-test");
    assert_eq!(reading.warnings, Vec::<String>::new());
    Exporter::start(reading.settings, Timestamp::UNIX_EPOCH, &|| Err("nobody is trusted".to_owned())).unwrap()
}

fn tell(exporter: &Exporter, lines: usize) {
    let text = format!("{LINE}\n").repeat(lines);
    (exporter.lines().unwrap())(text.into_bytes(), lines as u64);
}

/// Counter of the exporter.
fn count(exporter: &Exporter, name: &str, signal: &str) -> u64 {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(exporter.counts().called("meshtcp_")));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let wanted = format!("meshtcp_{name}_total{{signal=\"{signal}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&wanted));
    line.unwrap_or_else(|| panic!("{wanted} is not in {text}")).parse().unwrap()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

/// Checks the export of one line, one change and one metric.
fn is_complete(got: &http::Got) {
    let [record] = &got.records[..] else { panic!("{:?}", got.records) };
    assert_eq!(text(&record.attributes, "meshtcp.backend").as_deref(), Some("redis"));
    assert_eq!(text(&record.attributes, "client.address").as_deref(), Some("10.0.0.1"));
    let connection = got.spans.iter().find(|span| span.name == "connection").unwrap();
    assert_eq!((&record.trace_id, &record.span_id), (&connection.trace_id, &connection.span_id));
    let [change, part] =
        ["change", "compile"].map(|name| got.spans.iter().find(|it| it.name == name).unwrap());
    assert_eq!((&part.trace_id, &part.parent_span_id), (&change.trace_id, &change.span_id));
    assert_ne!(change.trace_id, connection.trace_id);
    let [metric] = &got.metrics[..] else { panic!("{:?}", got.metrics) };
    let Some(metric::Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    assert_eq!((metric.name.as_str(), sum.data_points.len()), ("requests", 1));
    assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsInt(5)));
    let named: Vec<_> = got.resources.iter().map(|it| text(it, "service.name")).collect();
    assert!(named.len() >= 3 && named.iter().all(|it| it.as_deref() == Some("test")), "{named:?}");
}

/// Exports one item of each signal, and shuts down.
fn tell_one_of_each(exporter: &Exporter) {
    exporter.prints(|| {
        "# HELP requests Requests.\n# TYPE requests counter\nrequests_total 5\n# EOF\n".to_owned()
    });
    tell(exporter, 1);
    let moment = Timestamp::now();
    let part =
        |name, parts| Span { name, start: moment, end: moment, attributes: Vec::new(), failed: None, parts };
    exporter.span(|| part("change", vec![part("compile", Vec::new())]));
    let begun = Instant::now();
    exporter.finish();
    assert!(begun.elapsed() < Duration::from_secs(2), "what waits is told at once: {:?}", begun.elapsed());
    for (signal, number) in [("traces", 3), ("metrics", 1), ("logs", 1)] {
        assert_eq!(count(exporter, "otlp_exported", signal), number, "{signal}");
        assert_eq!(count(exporter, "otlp_dropped", signal), 0, "{signal}");
    }
}

#[test]
fn everything_arrives_over_http() {
    for compression in ["none", "gzip"] {
        let collector = Http::answering(|_| Answer::Taken);
        let exporter = exporter(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20secret"),
            ("OTEL_SERVICE_NAME", "test"),
        ]);
        tell_one_of_each(&exporter);
        let got = collector.got();
        is_complete(&got);
        assert!(got.heads.iter().all(|head| head.contains("api-key: a secret")), "{:?}", got.heads);
    }
}

#[test]
fn everything_arrives_over_grpc_in_plaintext_and_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    for tls in [false, true] {
        let collector = grpc::Collector::start(tls.then(|| grpc::certificate(folder.path())));
        let authorities = folder.path().join("ca.pem");
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()),
            ("OTEL_SERVICE_NAME", "test".to_owned()),
        ];
        if tls {
            variables.push(("OTEL_EXPORTER_OTLP_CERTIFICATE", authorities.to_str().unwrap().to_owned()));
        }
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        tell_one_of_each(&exporter(&variables));
        is_complete(&collector.got());
    }
}

#[test]
fn what_a_collector_cannot_take_now_it_gets_later_and_what_it_refuses_is_counted() {
    let collector = Http::answering(|request| match request {
        0 => Answer::Later,
        1 => Answer::TakenBut(2),
        _ => Answer::Never,
    });
    let exporter = exporter(&[
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &format!("{}/v1/logs", collector.url())),
        ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
    ]);
    tell(&exporter, 5);
    collector.awaits(2);
    let until = Instant::now() + Duration::from_secs(10);
    while count(&exporter, "otlp_exported", "logs") < 3 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(count(&exporter, "otlp_exported", "logs"), 3, "of 5 records it refused 2");
    assert_eq!(count(&exporter, "otlp_dropped", "logs"), 2);
    tell(&exporter, 1);
    collector.awaits(3);
    exporter.finish();
    assert_eq!(count(&exporter, "otlp_dropped", "logs"), 3, "a bad request is not tried again");
    assert_eq!(count(&exporter, "otlp_export_failures", "logs"), 2);
}

/// Exports much more than fits to a collector that accepts nothing, and shuts down.
fn nobody_waits(address: SocketAddr, protocol: &str) {
    let exporter = exporter(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_BLRP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "10"),
    ]);
    exporter.prints(|| "# HELP a A.\n# TYPE a gauge\na 1\n".to_owned());
    let begun = Instant::now();
    (0..2_000).for_each(|_| tell(&exporter, 10));
    assert!(begun.elapsed() < Duration::from_secs(5), "handing over took {:?}", begun.elapsed());
    let begun = Instant::now();
    exporter.finish();
    assert!(begun.elapsed() < Duration::from_secs(4), "leaving took {:?}", begun.elapsed());
    for signal in ["traces", "logs"] {
        assert_eq!(count(&exporter, "otlp_exported", signal), 0);
        assert!(count(&exporter, "otlp_dropped", signal) > 10_000, "{signal}");
    }
}

#[test]
fn a_collector_that_hangs_costs_what_it_was_to_be_told_and_nothing_else() {
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    for protocol in ["http/protobuf", "grpc"] {
        nobody_waits(hung.local_addr().unwrap(), protocol);
    }
}

#[test]
fn a_collector_that_is_not_there_does_neither() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for protocol in ["http/protobuf", "grpc"] {
        nobody_waits(gone, protocol);
    }
}

#[test]
fn only_traces_that_are_sampled_are_told() {
    let collector = Http::answering(|_| Answer::Taken);
    let exporter = exporter(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
    ]);
    tell(&exporter, 1_000);
    exporter.finish();
    let got = collector.got();
    assert_eq!(got.records.len(), 1_000);
    // of 1,000 draws, 10 standard deviations from the half
    assert!((342..658).contains(&got.spans.len()), "{}", got.spans.len());
    let told: Vec<_> = got.records.iter().filter(|it| !it.trace_id.is_empty()).collect();
    assert_eq!(told.len(), got.spans.len(), "a record names its span where that is told");
}
