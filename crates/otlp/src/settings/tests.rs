use super::*;

fn read(variables: &[(&str, &str)]) -> Reading {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let of = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    Settings::read(&of, "meshtcp-proxy")
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

#[test]
fn nobody_is_told_anything_unless_asked() {
    for nothing in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "a")],
        &[(ENDPOINT, "")],
        &[(ENDPOINT, "http://a"), ("OTEL_SDK_DISABLED", "TRUE")],
        &[
            (ENDPOINT, "http://a"),
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ],
    ] {
        let Reading { settings, warnings } = read(nothing);
        assert!(settings.is_none() && warnings.is_empty(), "{nothing:?}: {warnings:?}");
    }
}

#[test]
fn one_endpoint_serves_all_and_each_may_have_its_own() {
    let Reading { settings, warnings } = read(&[
        (ENDPOINT, "http://collector:4318/base/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://logs.example/in"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "70000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.name=other"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "10"),
    ]);
    assert!(warnings.is_empty(), "{warnings:?}");
    let Settings { resource, traces, metrics, logs } = settings.unwrap();
    let (traces, metrics, logs) = (traces.unwrap(), metrics.unwrap(), logs.unwrap());
    assert_eq!(traces.target.url.to_string(), "http://collector:4318/base/");
    assert_eq!(metrics.target.url.to_string(), "http://collector:4318/base/v1/metrics");
    assert_eq!(logs.target.url.to_string(), "https://logs.example/in");
    assert_eq!((traces.target.protocol, logs.target.protocol), (Protocol::Grpc, Protocol::Http));
    assert_eq!(traces.target.headers["api-key"], "a b");
    assert_eq!(
        (traces.target.timeout, metrics.target.timeout),
        (Duration::from_secs(2), Duration::from_secs(30))
    );
    assert_eq!((metrics.interval, traces.sampler), (Duration::from_secs(5), Sampler::Share(0.25)));
    assert_eq!((logs.target.gzip, traces.target.gzip), (true, false));
    assert_eq!((logs.batches.waiting, logs.batches.size), (10, 10), "no batch is larger than what may wait");
    let named =
        resource.iter().any(|(key, value)| (key.as_str(), value.as_str()) == ("service.name", "other"));
    assert!(named, "{resource:?}");
}

#[test]
fn what_is_wrong_is_told_and_the_rest_goes_on() {
    let Reading { settings, warnings } = read(&[
        (ENDPOINT, "http://a"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "a:b:c"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret, b ad=c"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nothing"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "-1"),
    ]);
    let Settings { resource, traces, metrics, logs } = settings.unwrap();
    assert!(traces.is_none(), "its endpoint is none");
    assert_eq!(metrics.unwrap().interval, Duration::from_secs(60));
    assert_eq!(logs.unwrap().target.protocol, Protocol::Http);
    assert_eq!(resource, [("service.name".to_owned(), "meshtcp-proxy".to_owned())]);
    for name in [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_BLRP_SCHEDULE_DELAY",
    ] {
        assert!(warnings.iter().any(|line| line.starts_with(&format!("{name}: "))), "{name}: {warnings:?}");
    }
}

#[test]
fn an_exporter_that_is_asked_for_has_the_endpoint_of_this_host() {
    let Reading { settings, warnings } =
        read(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_LOGS_EXPORTER", "console")]);
    let Settings { traces, metrics, logs, .. } = settings.unwrap();
    assert_eq!(traces.unwrap().target.url.to_string(), "http://localhost:4318/v1/traces");
    assert!(metrics.is_none() && logs.is_none());
    assert!(warnings[0].starts_with("OTEL_LOGS_EXPORTER: \"console\""), "{warnings:?}");
}
