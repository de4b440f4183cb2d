//! Connection log, access logs and metrics.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use ::l4::config::LogSink;
use meshtcp_proxy::{ConnectionLog, LineFormat, Options, Proxy};
use support::{Mesh, Server, counters, dial, free_address, options, wait_until};
use xds::proto::l4;

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn logging(path: &Path, format: LineFormat, mesh: &Mesh) -> Proxy {
    let sink = LogSink::File(path.to_str().unwrap().into());
    let proxy =
        Proxy::start(Options { connection_log: Some(ConnectionLog { sink, format }), ..options() }).unwrap();
    assert!(proxy.apply(mesh.config()).failed.is_empty());
    proxy
}

/// Makes one connection: five bytes there, one and five back.
fn converse(address: SocketAddr) {
    let mut client = dial(address);
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
}

#[test]
fn a_line_says_where_a_connection_went_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (server, address) = (Server::named("a"), free_address());
    let _proxy = logging(&path, LineFormat::Text, &Mesh::new(address).backend("redis", 7, &[server.address]));
    converse(address);
    wait_until("the line is there", || !lines(&path).is_empty());
    let line = &lines(&path)[0];
    let (endpoint, client) = (format!(" endpoint={} ", server.address), " client=127.0.0.1:");
    for part in [
        "time=2",
        " proxy=web ",
        " listener=outbound ",
        " destination=redis ",
        client,
        r#" policy="MeshTCPRoute default/split" "#,
        " rule=to[0].rules[0] ",
        r#" backend="MeshService redis" "#,
        " cluster=redis ",
        &endpoint,
        " draw=",
        " generation=1 ",
        " attempts=1 ",
        " bytes_from_client=5 ",
        " bytes_to_client=6 ",
        " connect_us=",
        " duration_ms=",
        " ended=client-closed ",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn a_json_line_has_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 0, &[]);
    mesh.route.refusal = "every weight is 0".into();
    let _proxy = logging(&path, LineFormat::Json, &mesh);
    support::read_until_reset(&dial(address));
    wait_until("the line is there", || !lines(&path).is_empty());
    let line: serde_json::Value = serde_json::from_str(&lines(&path)[0]).unwrap();
    assert_eq!((&line["ended"], &line["why"]), (&"no-backend".into(), &"every weight is 0".into()));
    assert_eq!((&line["rule"], &line["endpoint"]), (&"to[0].rules[0]".into(), &serde_json::Value::Null));
}

#[test]
fn every_connection_has_one_line_and_the_draw_repeats_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (a, b, address) = (Server::named("a"), Server::named("b"), free_address());
    let mesh = Mesh::new(address).backend("v1", 3, &[a.address]).backend("v2", 1, &[b.address]);
    let proxy = logging(&path, LineFormat::Json, &mesh);
    for _ in 0..200 {
        converse(address);
    }
    wait_until("all lines are there", || lines(&path).len() >= 200);
    drop(proxy);
    let split = ::l4::balance::Split::new([3, 1]);
    let mut ids = BTreeMap::new();
    for line in lines(&path) {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let draw = u64::from_str_radix(line["draw"].as_str().unwrap(), 16).unwrap();
        let backend = split.choose(::l4::balance::Draw(draw)).unwrap();
        assert_eq!(line["backend"], ["MeshService v1", "MeshService v2"][backend]);
        *ids.entry(line["id"].as_u64().unwrap()).or_insert(0) += 1;
    }
    assert_eq!((ids.len(), ids.values().sum::<i32>()), (200, 200));
}

#[test]
fn a_renamed_log_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let (server, address) = (Server::named("a"), free_address());
    let _proxy = logging(&path, LineFormat::Text, &Mesh::new(address).backend("redis", 1, &[server.address]));
    converse(address);
    wait_until("the line is there", || !lines(&path).is_empty());
    std::fs::rename(&path, &old).unwrap();
    wait_until("the new file is there", || {
        converse(address);
        !lines(&path).is_empty()
    });
    assert!(!lines(&old).is_empty());
}

#[test]
fn access_logs_are_written_as_the_operator_wants() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access");
    let collector = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (server, address) = (Server::named("a"), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.access_logs = vec![
        l4::AccessLog {
            file: path.to_str().unwrap().into(),
            plain_format:
                "%BYTES_RECEIVED%/%BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% %RESPONSE_FLAGS% %REQ(X)%"
                    .into(),
            ..Default::default()
        },
        l4::AccessLog {
            tcp_address: collector.local_addr().unwrap().to_string(),
            json_format: vec![
                l4::JsonField { key: "received".into(), value: "%BYTES_RECEIVED%".into() },
                l4::JsonField { key: "at".into(), value: "on %DOWNSTREAM_LOCAL_ADDRESS%".into() },
            ],
            ..Default::default()
        },
    ];
    let _proxy = support::proxy(&mesh);
    converse(address);
    wait_until("the line is there", || !lines(&path).is_empty());
    assert_eq!(lines(&path)[0], format!("5/6 redis {} - -", server.address));
    let (stream, _) = collector.accept().unwrap();
    support::patient(&stream);
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line, serde_json::json!({ "received": 5, "at": format!("on {address}") }));
}

#[test]
fn a_log_that_cannot_be_opened_is_said_at_the_start() {
    let sink = LogSink::File("/nonexistent/folder/log".into());
    let log = ConnectionLog { sink, format: LineFormat::Text };
    let started = Proxy::start(Options { connection_log: Some(log), ..options() });
    let error = started.err().expect("it does not start").to_string();
    assert!(error.starts_with("the connection log /nonexistent/folder/log cannot be opened: "), "{error}");
}

#[test]
fn metrics_tell_the_split() {
    let (a, b, address) = (Server::named("a"), Server::named("b"), free_address());
    let mesh = Mesh::new(address).backend("v1", 3, &[a.address]).backend("v2", 1, &[b.address]);
    let proxy = support::proxy(&mesh);
    for _ in 0..8 {
        converse(address);
    }
    wait_until("all ended", || counters(&proxy).active == 0);
    let mut registry = prometheus_client::registry::Registry::default();
    proxy.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let backend =
        r#"proxy="web",listener="outbound",policy="MeshTCPRoute default/split",backend="MeshService v1""#;
    for line in [
        r#"meshtcp_connections_accepted_total{proxy="web",listener="outbound"} 8"#.to_owned(),
        r#"meshtcp_connections_ended_total{proxy="web",listener="outbound",ended="client-closed"} 8"#
            .to_owned(),
        r#"meshtcp_connect_time_seconds_count{proxy="web",listener="outbound"} 8"#.to_owned(),
        format!(r#"meshtcp_split_wanted_ratio{{{backend},cluster="v1"}} 0.75"#),
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    let chosen = format!(r#"meshtcp_split_chosen_total{{{backend},cluster="v1"}} "#);
    let chosen = text.lines().find_map(|line| line.strip_prefix(&chosen)).unwrap();
    assert_eq!(chosen, counters(&proxy).backends[0].chosen.to_string());
}

#[test]
fn a_log_that_nobody_takes_costs_its_own_lines_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    // the kernel accepts the connection, and nothing ever reads from it
    let stuck = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (server, address) = (Server::named("a"), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.access_logs = vec![l4::AccessLog {
        tcp_address: stuck.local_addr().unwrap().to_string(),
        plain_format: "x".repeat(1 << 20),
        ..l4::AccessLog::default()
    }];
    let proxy = logging(&path, LineFormat::Text, &mesh);
    for _ in 0..40 {
        converse(address);
    }
    wait_until("the other log has all lines", || lines(&path).len() == 40);
    let begun = std::time::Instant::now();
    drop(proxy);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "the end waits for it");
}
