//! Export to an OpenTelemetry collector: connections and metrics from data planes, changes from the control plane; a
//! collector that accepts nothing delays neither.

mod collector;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use rustix::process::Signal;
use serde_json::json;

use self::collector::{Collector, Told};
use crate::backend::{free_ports, serve};
use crate::connection::tally;
use crate::program::{Program, ask, eventually, meshtcp};
use crate::store::ControlPlane;
use crate::town::Town;

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|it| it.key == key).unwrap_or_else(|| panic!("{key}: {attributes:?}"));
    match &found.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Starts `meshtcp up` on a town whose `redis` is served; returns it and its admin address.
fn up(town: &Town, endpoint: &str, more: &[(&str, &str)]) -> (Program, String) {
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    let mut command: Command = meshtcp(["up", &town.path(), "--admin", "127.0.0.1:0", "--workers", "1"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).envs(more.iter().copied());
    let program = Program::start(command);
    let line = program.awaits_text(0, "admin: http://");
    let admin = line.trim_start_matches("admin: http://").to_owned();
    eventually("it is ready", || ask(&admin, "/ready").0 == 200);
    (program, admin)
}

#[test]
fn connections_and_metrics_are_told() {
    let (town, collector) = (Town::new(), Collector::start());
    let often = [("OTEL_SERVICE_NAME", "shop"), ("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    let (mut program, admin) = up(&town, &collector.url(), &often);
    tally(town.outbound, 5);
    let page = ask(&admin, "/metrics").1;
    eventually("metrics are told", || collector.told().metrics.contains("meshtcp_split_chosen"));
    program.signal(Signal::TERM);
    assert_eq!(program.ends(), 0, "{}", program.printed());
    let Told { resources, spans, records, metrics } = collector.told();
    assert!(resources.iter().all(|it| text(it, "service.name") == "shop"), "{resources:?}");
    // each connection is carried by two proxies: that of the client and that of the server
    let outbound = format!("outbound:127.0.0.1:{}", town.outbound);
    let dialled: Vec<_> =
        records.iter().filter(|it| text(&it.attributes, "meshtcp.listener") == outbound).collect();
    assert_eq!((records.len(), dialled.len()), (10, 5), "{records:?}");
    for record in dialled {
        assert_eq!(text(&record.attributes, "meshtcp.destination"), "redis");
        assert_eq!(text(&record.attributes, "meshtcp.ended"), "client-closed");
        let span = spans.iter().find(|span| span.span_id == record.span_id).unwrap();
        assert_eq!((span.name.as_str(), &span.trace_id), ("connection", &record.trace_id));
    }
    assert_eq!(spans.len(), 10);
    // the same metrics as from scraping
    let served = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    for (name, kind) in served {
        let name = if kind == "counter" { name.trim_end_matches("_total") } else { name };
        let has_values = page.lines().any(|line| line.starts_with(name));
        assert!(!has_values || metrics.contains(name), "{name} is not in {metrics:?}");
    }
    assert!(metrics.contains("meshtcp_connections_accepted") && metrics.contains("process_cpu_seconds"));
}

#[test]
fn the_way_of_a_change_is_told() {
    let collector = Collector::start();
    let mut command =
        meshtcp(["control-plane", "--store", "memory", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"]);
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.url()));
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let control_plane = ControlPlane::of(Program::start(command));
    let [port, other] = free_ports();
    let dataplane = |port: u16| {
        json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
            "address": "127.0.0.1", "inbound": [{ "port": port, "tags": { "kuma.io/service": "web" } }],
        } })
    };
    let path = "/meshes/default/dataplanes/web-1";
    control_plane.put(path, &dataplane(port));
    let _proxy =
        Program::start(meshtcp(["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds]));
    eventually("it is attached", || {
        crate::api::json(&control_plane.api, "/_status?what=proxies")["proxies"][0]["inSync"] == true
    });
    let revision = control_plane.put(path, &dataplane(other)).to_string();
    let mut found = None;
    eventually("the change is told", || {
        let told = collector.told();
        let is_it = |name: &str| name == "change";
        let change = told
            .spans
            .iter()
            .find(|span| is_it(&span.name) && text(&span.attributes, "meshtcp.revision") == revision);
        found = change.map(|change| {
            let parts = told.spans.iter().filter(|span| span.parent_span_id == change.span_id);
            (change.clone(), parts.cloned().collect::<Vec<_>>())
        });
        found.is_some()
    });
    let (change, parts) = found.unwrap();
    assert!(change.status.is_none(), "{change:?}");
    assert_eq!(text(&change.attributes, "meshtcp.proxies.live"), "1");
    let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["compile", "publish", "deliver"]);
    assert_eq!(text(&parts[2].attributes, "meshtcp.proxy"), "default/web-1");
    let mut moments = vec![change.start_time_unix_nano];
    moments.extend(parts.iter().map(|part| part.end_time_unix_nano));
    assert!(moments.is_sorted(), "{moments:?}");
    assert_eq!(change.end_time_unix_nano, *moments.last().unwrap());
}

#[test]
fn a_collector_that_hangs_holds_up_nobody() {
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let town = Town::new();
    let endpoint = format!("http://{}", hung.local_addr().unwrap());
    let small = [("OTEL_BLRP_MAX_QUEUE_SIZE", "10"), ("OTEL_BLRP_SCHEDULE_DELAY", "10")];
    let (mut program, admin) = up(&town, &endpoint, &small);
    let seen = tally(town.outbound, 50);
    assert_eq!(seen.values().sum::<usize>(), 50);
    assert!(!seen.contains_key("-"), "{seen:?}");
    eventually("what does not fit is counted", || {
        let page = ask(&admin, "/metrics").1;
        let dropped =
            page.lines().find_map(|line| line.strip_prefix("meshtcp_otlp_dropped_total{signal=\"logs\"} "));
        dropped.unwrap().parse::<u64>().unwrap() > 0
    });
    let begun = Instant::now();
    program.signal(Signal::TERM);
    assert_eq!(program.ends(), 0, "{}", program.printed());
    // exiting allows two seconds for the collector, which does not use them
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn what_a_variable_cannot_mean_is_said_and_the_rest_goes_on() {
    let town = Town::new();
    let wrong = [("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"), ("OTEL_TRACES_SAMPLER", "sometimes")];
    let (program, _) = up(&town, "http://127.0.0.1:1", &wrong);
    for said in [
        "warning: OTEL_TRACES_SAMPLER: \"sometimes\" is none of",
        "warning: OTEL_EXPORTER_OTLP_TIMEOUT: \"soon\" is no whole number",
    ] {
        assert!(program.printed().contains(said), "{said}: {}", program.printed());
    }
    tally(town.outbound, 2);
}
