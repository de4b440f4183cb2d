//! `meshtcp up`: it carries connections, follows changes, and exits.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::backend::{free_ports, serve};
use crate::connection::{Connection, assert_split, reaches, tally};
use crate::program::{Program, Up, eventually, meshtcp};
use crate::town::{Town, route};

#[test]
fn connections_are_split_by_weight_and_the_table_says_so() {
    let town = Town::served();
    town.route(&[("v1", 90), ("v2", 10)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let row = up.program.awaits(0, "the outbound", |line| line.contains("outbound 127.0.0.1:"));
    for part in ["default/web-1", "redis", "90%", "10%", "MeshTCPRoute default/canary"] {
        assert!(row.contains(part), "{part} is not in {row}");
    }
    assert_split(&tally(town.outbound, 500), &[("v1", 90.0), ("v2", 10.0)]);
}

#[test]
fn a_saved_weight_is_live_and_open_connections_stay_where_they_are() {
    let town = Town::served();
    town.route(&[("v1", 1), ("v2", 0)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let mut open: Vec<Connection> = (0..20).map(|_| Connection::open(town.outbound).unwrap()).collect();
    assert!(open.iter().all(|connection| connection.backend == "v1"));

    let mark = up.program.mark();
    town.route(&[("v1", 0), ("v2", 1)]);
    reaches(town.outbound, &["v2"]);
    let line = up.program.awaits_text(mark, "default/web-1 outbound redis: ");
    assert!(line.contains('→'), "{line}");
    open.iter_mut().for_each(Connection::echo);

    town.route(&[("v1", 0), ("v2", 0)]);
    reaches(town.outbound, &["-"]);
    open.iter_mut().for_each(Connection::echo);

    town.remove("route.yaml");
    reaches(town.outbound, &["v1", "v2"]);
    up.program.awaits_text(mark, "now without a policy");
    open.iter_mut().for_each(Connection::echo);
    open.into_iter().for_each(Connection::close);
}

#[test]
fn a_mesh_that_requires_tls_takes_no_plaintext_and_one_that_allows_both_does() {
    let town = Town::served();
    let in_plaintext = std::fs::read_to_string(town.file("mesh.yaml")).unwrap();
    let trusting_in = |mode: &str| {
        let backends = format!("[ {{ name: ca-1, type: builtin, mode: {mode} }} ]");
        let mesh = format!("name: default\nmtls: {{ enabledBackend: ca-1, backends: {backends} }}\n---");
        town.save("mesh.yaml", &in_plaintext.replacen("name: default\n---", &mesh, 1));
    };
    trusting_in("PERMISSIVE");
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    reaches(town.inbounds[0], &["v1"]);

    let mark = up.program.mark();
    trusting_in("STRICT");
    up.program.awaits_text(mark, "STRICT");
    // a silent client is waited for; one that sends anything but TLS is closed at once
    eventually("plaintext is closed", || {
        let mut plain = TcpStream::connect(("127.0.0.1", town.inbounds[0])).unwrap();
        let _ = plain.write_all(b"plain");
        !matches!(plain.read(&mut [0]), Ok(1..))
    });
}

#[test]
fn a_burst_of_saves_ends_at_the_last_one() {
    let town = Town::served();
    town.route(&[("v1", 1)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    for number in 0..50 {
        town.route(&[("v1", 50 - number), ("v2", number)]);
        // written in place: truncated first
        std::fs::write(town.file("route.yaml"), route(&[("v1", number), ("v2", 50 - number)])).unwrap();
    }
    town.route(&[("v2", 1)]);
    reaches(town.outbound, &["v2"]);
    assert_eq!(up.json("/status")["problems"], serde_json::json!([]));
}

#[test]
fn a_reference_that_leads_nowhere_waits_for_its_target() {
    let town = Town::served();
    town.route(&[("v1", 1)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let mark = up.program.mark();
    town.route(&[("v3", 1)]);
    up.program.awaits_text(mark, "route.yaml:16:17");
    up.program.awaits_text(mark, "route.yaml: its last good content stays in force");
    assert_eq!(tally(town.outbound, 5).get("v1"), Some(&5));

    let [inbound] = free_ports();
    let application = town.applications[1];
    town.save(
        "v3.yaml",
        &format!(
            "type: Dataplane\nmesh: default\nname: redis-v3\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
             - port: {inbound}\n      servicePort: {application}\n      tags: {{ kuma.io/service: redis, version: v3 }}\n"
        ),
    );
    reaches(town.outbound, &["v2"]);
    up.program.awaits_text(mark, "route.yaml: repaired, and in force");
}

#[test]
fn two_listeners_on_one_port_name_both_dataplanes_and_change_nothing() {
    let town = Town::served();
    town.route(&[("v1", 1)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let mark = up.program.mark();
    let port = town.outbound;
    town.save(
        "second.yaml",
        &format!(
            "type: Dataplane\nmesh: default\nname: web-2\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
             - port: {port}\n      tags: {{ kuma.io/service: web }}\n"
        ),
    );
    let line = up.program.awaits_text(mark, "is wanted twice");
    assert!(line.contains("default/web-1") && line.contains("default/web-2"), "{line}");
    up.program.awaits(mark, "file:line:column", |line| line.contains("second.yaml:7:13"));
    assert_eq!(tally(town.outbound, 5).get("v1"), Some(&5));
    town.remove("second.yaml");
    eventually("no problems", || up.json("/status")["problems"] == serde_json::json!([]));
}

#[test]
fn an_empty_folder_is_waited_for() {
    let town = Town::new();
    let mesh = std::fs::read_to_string(town.file("mesh.yaml")).unwrap();
    town.remove("mesh.yaml");
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    let up = Up::start(&[&town.path()]);
    up.program.awaits_text(0, "nothing to run yet");
    assert_eq!(up.ask("/ready"), (503, "not ready: nothing to run yet\n".to_owned()));
    town.save("mesh.yaml", "type: Mesh\nname: [broken\n");
    up.program.awaits_text(0, "mesh.yaml:");
    town.save("mesh.yaml", &mesh);
    up.is_ready();
    reaches(town.outbound, &["v1", "v2"]);
}

#[test]
fn a_port_that_is_taken_is_taken_over_when_it_is_free() {
    let town = Town::served();
    let squatter = TcpListener::bind(("127.0.0.1", town.outbound)).unwrap();
    let up = Up::start(&[&town.path()]);
    up.program.awaits_text(0, "cannot be bound");
    assert_eq!(up.ask("/ready").0, 503);
    drop(squatter);
    reaches(town.outbound, &["v1", "v2"]);
    up.is_ready();
}

#[test]
fn it_leaves_when_connections_ended() {
    let town = Town::served();
    let mut up = Up::start(&[&town.path()]);
    up.is_ready();
    let mut open: Vec<Connection> = (0..3).map(|_| Connection::open(town.outbound).unwrap()).collect();
    up.program.signal(Signal::TERM);
    up.program.awaits_text(0, "leaving: no new connections");
    assert_eq!(up.ask("/ready"), (503, "not ready: leaving\n".to_owned()));
    open.iter_mut().for_each(Connection::echo);
    assert!(up.program.is_running());
    open.into_iter().for_each(Connection::close);
    assert_eq!(up.program.ends(), 0);
    up.program.awaits_text(0, "0 were closed");
}

#[test]
fn a_second_signal_ends_open_connections_at_once() {
    let town = Town::served();
    let mut up = Up::start(&[&town.path()]);
    up.is_ready();
    let open = Connection::open(town.outbound).unwrap();
    up.program.signal(Signal::INT);
    up.program.awaits_text(0, "leaving: no new connections");
    up.program.signal(Signal::INT);
    assert_eq!(up.program.ends(), 0);
    assert!(!up.program.awaits_text(0, "left: waited for").contains("0 were closed"));
    drop(open);
}

#[test]
fn the_drain_time_ends_open_connections() {
    let town = Town::served();
    let mut up = Up::start(&["--drain-time", "100ms", &town.path()]);
    up.is_ready();
    let open = Connection::open(town.outbound).unwrap();
    up.program.signal(Signal::TERM);
    assert_eq!(up.program.ends(), 0);
    drop(open);
}

#[test]
fn the_admin_server_tells_what_runs() {
    let town = Town::served();
    town.route(&[("v1", 3), ("v2", 1)]);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let open = Connection::open(town.outbound).unwrap();

    assert_eq!(up.ask("/healthy").0, 200);
    let plan = up.json("/plan?proxy=web-1");
    assert_eq!(plan["outbounds"][0]["split"][0]["percent"], 75.0, "{plan:#}");
    assert_eq!(plan["outbounds"][0]["owner"]["policies"][0]["name"], "canary", "{plan:#}");
    assert_eq!(up.json("/plan")["plans"].as_array().unwrap().len(), 3);
    assert_eq!(up.ask("/plan?proxy=nobody").0, 404);

    // through the outbound of web and the inbound of redis
    let connections = up.json("/connections");
    let found =
        connections.as_array().unwrap().iter().find(|it| it["policy"] == "MeshTCPRoute default/canary");
    assert_eq!(found.unwrap()["proxy"], "default/web-1", "{connections:#}");

    let (_, metrics) = up.ask("/metrics");
    for name in
        ["meshtcp_connections_active", "meshtcp_files{in_force=\"current\"} 2", "meshtcp_changes_total"]
    {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    assert_eq!(up.json("/status")["files"].as_array().unwrap().len(), 2);
    open.close();
}

#[test]
fn every_finished_connection_has_a_line_that_says_why() {
    let town = Town::served();
    town.route(&[("v1", 1), ("v2", 1)]);
    let log = tempfile::tempdir().unwrap();
    let path = log.path().join("connections.log");
    let arguments = ["--log", path.to_str().unwrap(), "--log-format", "json", &town.path()];
    let up = Up::start(&arguments);
    up.is_ready();
    tally(town.outbound, 10);
    eventually("10 lines of the outbound", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let outbound: Vec<_> = lines.iter().filter(|line| line["proxy"] == "default/web-1").collect();
        assert!(outbound.iter().all(|line| line["policy"] == "MeshTCPRoute default/canary"), "{outbound:?}");
        outbound.len() == 10
    });
}

#[test]
fn what_cannot_start_says_why_and_exits_with_its_code() {
    let town = Town::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], i32, &str); 4] = [
        (&["up", "/nowhere/at/all"], 3, "/nowhere/at/all"),
        (
            &["up", "--admin", &address, &town.path()],
            3,
            "cannot be bound: something else on this host listens there",
        ),
        (&["up", "--dataplane", "a/b/c", &town.path()], 2, "names no proxy"),
        (&["up"], 2, "PATH"),
    ];
    for (arguments, code, words) in cases {
        let mut program = Program::start(meshtcp(arguments));
        assert_eq!(program.ends(), code, "{}", program.printed());
        program.awaits_text(0, words);
    }
}

#[test]
fn what_is_good_at_the_start_runs_and_the_rest_is_said() {
    let town = Town::served();
    town.save("route.yaml", "type: MeshTCPRoute\nmesh: default\nname: canary\nspec: {to: 7}\n");
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    up.program.awaits_text(0, "route.yaml:4:");
    up.program.awaits_text(0, "route.yaml: nothing of it is in force until it is repaired");
    reaches(town.outbound, &["v1", "v2"]);
    town.route(&[("v2", 1)]);
    reaches(town.outbound, &["v2"]);
}

#[test]
fn half_a_file_is_never_in_force() {
    let town = Town::served();
    let text = route(&[("v2", 1)]);
    town.save("route.yaml", &text);
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let mark = up.program.mark();
    for _ in 0..5 {
        // truncated, then written piece by piece, as by a slow editor
        let mut file = std::fs::File::create(town.file("route.yaml")).unwrap();
        for bytes in text.as_bytes().chunks(100) {
            std::io::Write::write_all(&mut file, bytes).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(tally(town.outbound, 4).get("v2"), Some(&4));
    }
    town.route(&[("v1", 1)]);
    reaches(town.outbound, &["v1"]);
    let changes = up.program.printed();
    let changes: Vec<&str> =
        changes.lines().skip(mark).filter(|line| line.contains("outbound redis:")).collect();
    assert_eq!(changes, ["default/web-1 outbound redis: redis version=v2 → redis version=v1"]);
}

#[test]
fn proxies_are_chosen_by_mesh_and_by_name() {
    let town = Town::served();
    let elsewhere = std::fs::read_to_string(town.file("mesh.yaml")).unwrap();
    let elsewhere = elsewhere.replacen("address: 127.0.0.1", "address: 192.0.2.7", 1);
    town.save("mesh.yaml", &elsewhere);
    let proxies = |arguments: &[&str]| {
        let up = Up::start(arguments);
        let mut found = Vec::new();
        eventually("something runs", || {
            let plans = up.json("/plan")["plans"].as_array().unwrap().clone();
            found = plans.iter().map(|plan| plan["proxy"]["name"].as_str().unwrap().to_owned()).collect();
            !found.is_empty()
        });
        found
    };
    assert_eq!(proxies(&[&town.path()]), ["redis-v1", "redis-v2"]);
    assert_eq!(proxies(&[&town.path(), "--dataplane", "web-1"]), ["redis-v1", "redis-v2", "web-1"]);
    let up = Up::start(&[&town.path(), "--mesh", "other"]);
    up.program.awaits_text(0, "nothing to run of mesh other yet");
}

#[test]
fn the_health_of_endpoints_is_told_by_metrics_status_and_command() {
    let town = Town::served();
    town.save(
        "health.yaml",
        "type: MeshHealthCheck\nmesh: default\nname: redis\nspec:\n  to:\n    - targetRef:\n        kind: MeshService\n        \
         name: redis\n      default:\n        interval: 1s\n        timeout: 2s\n        unhealthyThreshold: 1\n        \
         healthyThreshold: 1\n        tcp: {}\n",
    );
    town.save(
        "nowhere.yaml",
        "type: Dataplane\nmesh: default\nname: redis-v3\nnetworking:\n  address: 192.0.2.1\n  inbound:\n    \
         - port: 9\n      tags: { kuma.io/service: redis, version: v3 }\n",
    );
    let up = Up::start(&[&town.path()]);
    let endpoints = |up: &Up| -> Vec<serde_json::Value> {
        let status = up.json("/status");
        let clusters = status["clusters"].as_array().cloned().unwrap_or_default();
        clusters.iter().flat_map(|it| it["endpoints"].as_array().cloned().unwrap_or_default()).collect()
    };
    let find = |up: &Up, state: &str| endpoints(up).into_iter().find(|it| it["state"] == state);
    eventually("one is found down and others up", || {
        find(&up, "down").is_some() && find(&up, "up").is_some()
    });
    let down = find(&up, "down").unwrap();
    assert_eq!(down["endpoint"], "192.0.2.1:9");
    // nothing listens there; the kernel's reason depends on the network
    let why = down["why"].as_str().unwrap();
    assert!(!why.is_empty(), "{down}");
    assert!(down["since"].as_str().unwrap().ends_with('Z'), "{down}");

    let (_, metrics) = up.ask("/metrics");
    let has = |words: &[&str]| metrics.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["meshtcp_endpoint_healthy{", "endpoint=\"192.0.2.1:9\"} 0"]), "{metrics}");
    assert!(has(&["meshtcp_cluster_endpoints{", "state=\"down\"} 1"]), "{metrics}");

    let told = meshtcp(["status", "endpoints", "redis", "--proxy-admin", &up.admin]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let line = told.lines().find(|line| line.contains("192.0.2.1:9")).unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("down") && line.contains(why), "{line}");
    let asked = meshtcp(["status", "endpoints"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(2));
}

#[test]
fn a_dataplane_that_nobody_wrote_is_told() {
    let town = Town::served();
    let up = Up::start(&[&town.path(), "--dataplane", "nope"]);
    up.program.awaits_text(0, "--dataplane default/nope: there is no such Dataplane yet");
}
