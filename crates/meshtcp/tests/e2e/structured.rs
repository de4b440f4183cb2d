//! Structured output to its last line: that of servers with `--diagnostics json`, and answers of commands with `-o
//! json`, including errors and waiting.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::backend::free_ports;
use crate::program::{Program, answer, eventually, meshtcp};
use crate::store::ControlPlane;

fn mesh([port, db, other]: [u16; 3]) -> String {
    format!(
        "type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  inbound: [{{port: \
         {db}, tags: {{kuma.io/service: db}}}}, {{port: {other}, tags: {{kuma.io/service: other}}}}]\n  outbound: [{{port: {port}, tags: \
         {{kuma.io/service: db}}}}]\n---\ntype: MeshTCPRoute\nmesh: default\nname: moves\nspec:\n  targetRef: {{kind: Mesh}}\n  to:\n    \
         - targetRef: {{kind: MeshService, name: db}}\n      rules:\n        - default: {{backendRefs: [{{kind: MeshService, name: db}}]}}\n"
    )
}

fn in_json(mut command: Command) -> Program {
    command.env("MESHTCP_DIAGNOSTICS", "json");
    Program::start(command)
}

/// Events of a program; each of its lines is an object with a time, a level and an event.
fn events(program: &Program) -> Vec<Value> {
    let read = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["time", "level", "event", "message"] {
            assert!(event[member].is_string(), "no {member}: {line}");
        }
        event
    };
    program.printed().lines().map(read).collect()
}

fn has(events: &[Value], event: &str, member: &str, value: &str) -> bool {
    events.iter().any(|it| it["event"] == event && it[member] == value)
}

#[test]
fn servers_write_an_object_a_line_on_both_streams() {
    let folder = tempfile::tempdir().unwrap();
    let [xds, ports @ ..] = free_ports::<4>();
    let xds = format!("127.0.0.1:{xds}");
    let route = folder.path().join("mesh.yaml");
    std::fs::write(&route, mesh(ports)).unwrap();
    let path = folder.path().to_str().unwrap();
    let mut control_plane = in_json(meshtcp(["control-plane", path, "--xds", &xds, "--api", "127.0.0.1:0"]));
    let mut proxy = in_json(meshtcp(["proxy", "--proxy", "web-1", "--control-plane", &xds]));
    let nobody = in_json(meshtcp(["proxy", "--proxy", "nope", "--control-plane", &xds]));
    eventually("it is in sync", || has(&events(&control_plane), "in-sync", "proxy", "default/web-1"));
    std::fs::write(
        &route,
        mesh(ports)
            .replace("name: db}]", "name: db, weight: 1}, {kind: MeshService, name: other, weight: 1}]"),
    )
    .unwrap();
    eventually("the change is told", || {
        has(&events(&control_plane), "changed", "route", "MeshTCPRoute default/moves")
    });
    std::fs::write(&route, "type: [").unwrap();
    eventually("the problem is told", || {
        events(&control_plane).iter().any(|it| it["event"] == "problem" && it["line"].is_u64())
    });
    proxy.signal(Signal::USR1);
    eventually("the signal is remarked on", || {
        events(&proxy).iter().any(|it| it["message"].as_str().unwrap().contains("SIGUSR1"))
    });
    for program in [&mut control_plane, &mut proxy] {
        program.signal(Signal::TERM);
        assert_eq!(program.ends(), 0);
    }
    for it in events(&control_plane).iter().chain(&events(&proxy)).chain(&events(&nobody)) {
        let message = it["message"].as_str().unwrap();
        assert!(!message.starts_with("error: ") && !message.contains('\u{1b}'), "{message}");
    }
    assert!(events(&proxy).iter().all(|it| it["proxy"] == "default/web-1"));
}

#[test]
fn a_server_that_cannot_start_says_that_as_an_object_too() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for arguments in [
        vec!["proxy", "--proxy", "web-1", "--admin", &taken],
        vec!["proxy", "--proxy", "web-1", "--drain-time", "never"],
        vec!["control-plane", "--no-such-flag"],
        vec!["up", "/nonexistent"],
    ] {
        let mut program = in_json(meshtcp(&arguments));
        assert_ne!(program.ends(), 0, "{arguments:?}");
        eventually("the last line", || !program.printed().is_empty());
        assert!(events(&program).iter().any(|it| it["level"] == "ERROR"), "{}", program.printed());
    }
}

#[test]
fn lines_for_people_have_the_time_where_no_terminal_and_no_journal_shows_it() {
    let mut command = meshtcp(["proxy", "--proxy", "web-1", "--control-plane", "127.0.0.1:9"]);
    command.env_remove("JOURNAL_STREAM");
    let program = Program::start(command);
    let line = program.awaits_text(0, "default/web-1 follows");
    assert!(
        regex_lite::Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z default/web-1")
            .unwrap()
            .is_match(&line),
        "{line}"
    );
}

/// Answer of a command: exit code, its one value, and its output on standard error.
fn value(control_plane: &ControlPlane, arguments: &[&str], format: &str) -> (i32, Value, String) {
    let server = format!("http://{}", control_plane.api);
    let (code, out, err) = answer(meshtcp(arguments).args(["-o", format, "--server", &server]));
    let value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"));
    (code, value, err)
}

#[test]
fn commands_answer_with_one_value_whatever_comes() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports();
    let (good, bad) = (folder.path().join("good.yaml"), folder.path().join("bad.yaml"));
    std::fs::write(&good, mesh(ports)).unwrap();
    std::fs::write(&bad, "type: MeshTCPRoute\nmesh: default\nname: moves\nspec: {tp: []}\n").unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let control_plane = ControlPlane::start("memory", &[]);
    let ask = |arguments: &[&str]| value(&control_plane, arguments, "json");

    let (code, said, err) = ask(&["apply", "-f", good]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(said["resources"][1]["outcome"], "created");
    let proxy = Program::start(meshtcp(["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds]));
    proxy.awaits_text(0, "configuration 1");

    let next = folder.path().join("next.yaml");
    std::fs::write(
        &next,
        mesh(ports)
            .replace("name: db}]", "name: db, weight: 1}, {kind: MeshService, name: other, weight: 1}]"),
    )
    .unwrap();
    let next = next.to_str().unwrap();
    let (code, said, err) = ask(&["apply", "-f", next, "--wait"]);
    assert_eq!((code, err.as_str()), (0, ""), "{said}");
    assert_eq!((&said["rollout"]["live"], &said["rollout"]["concerned"]), (&1.into(), &1.into()), "{said}");
    let (code, said, err) = ask(&["apply", "-f", next, "--wait"]);
    assert_eq!((code, err.as_str(), &said["rollout"]), (0, "", &Value::Null), "nothing changed");

    let (code, said, err) = ask(&["apply", "-f", bad]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(said["errors"].as_array().unwrap().iter().any(|it| it["line"].is_u64()), "{said}");
    let (code, said, err) = ask(&["delete", "meshtcproute", "moves", "nope", "--wait"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert_eq!(
        (&said["resources"][0]["outcome"], &said["resources"][1]["outcome"]),
        (&"deleted".into(), &"absent".into())
    );
    assert_eq!(said["errors"][0]["message"], "there is no MeshTCPRoute default/nope");
    let (code, said, err) = ask(&["get", "meshtcproute", "nope"]);
    assert_eq!(
        (code, err.as_str(), &said["total"], said["errors"].as_array().unwrap().len()),
        (1, "", &0.into(), 1)
    );
    for arguments in [
        &["get", "meshes", "--server", "http://127.0.0.1:9"][..],
        &["delete"],
        &["get", "nonsense"],
        &["status", "--nonsense"],
        &["import", "--from", "istio", "/nonexistent/routes.yaml"],
    ] {
        let output = meshtcp(arguments).args(["-o", "json"]).output().unwrap();
        assert_ne!(output.status.code(), Some(0));
        let said: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        assert!(
            said["errors"][0]["message"].is_string() && output.stderr.is_empty(),
            "{arguments:?}: {said}"
        );
    }
}
