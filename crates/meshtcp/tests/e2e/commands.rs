//! Commands that answer and exit.

use std::io::Write;
use std::process::Stdio;

use crate::program::{Program, meshtcp, run};
use crate::store::ControlPlane;
use crate::town::{Town, route};

fn town() -> Town {
    let town = Town::new();
    town.route(&[("v1", 90), ("v2", 10)]);
    town
}

#[test]
fn help_names_every_exit_code() {
    let (code, out, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for line in ["0  ", "1  ", "2  ", "3  "] {
        assert!(out.lines().any(|it| it.trim_start().starts_with(line)), "{out}");
    }
    assert_eq!(run(&["no-such-command"]).0, 2);
}

#[test]
fn good_resources_are_good() {
    let (code, out, err) = run(&["validate", &town().path()]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("5 resources in 2 files: all good"), "{out}");
}

#[test]
fn what_reads_files_once_reads_standard_input_too() {
    let text = "type: Mesh\nname: default\n---\ntype: Dataplane\nmesh: default\nname: web-1\nnetworking: {address: 127.0.0.1, \
                inbound: [{port: 1, tags: {kuma.io/service: web}}]}\n";
    let fed = |arguments: &[&str]| {
        let mut command = meshtcp(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // a command that refuses its arguments reads no input
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(both).unwrap())
    };
    for arguments in
        [&["validate", "-"][..], &["plan", "--proxy", "web-1", "-"], &["explain", "--proxy", "web-1", "-"]]
    {
        let (code, said) = fed(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
    }
    let (code, said) = fed(&["up", "-"]);
    assert!(code == 3 && said.contains("cannot be followed"), "{said}");
}

#[test]
fn all_problems_are_shown_at_once_in_their_text() {
    let town = town();
    town.save(
        "route.yaml",
        &route(&[("v1", 90)]).replace("weight", "weigth").replace("name: canary", "name: Canary!"),
    );
    let (code, _, err) = run(&["validate", &town.path()]);
    assert_eq!(code, 1);
    assert!(err.matches("error:").count() >= 2, "{err}");
    for part in ["route.yaml:", "weigth", "weight", "help:"] {
        assert!(err.contains(part), "{part} is not in\n{err}");
    }
    let (code, out, _) = run(&["validate", "-o", "json", &town.path()]);
    let problems: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert!(
        problems.as_array().unwrap().iter().all(|it| it["line"].is_u64() && it["column"].is_u64()),
        "{out}"
    );
}

#[test]
fn a_broken_reference_is_a_warning_with_its_place() {
    let town = town();
    town.route(&[("v1", 90), ("v3", 10)]);
    let (code, _, err) = run(&["validate", &town.path()]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("warning:") && err.contains("route.yaml:21:17"), "{err}");
}

#[test]
fn unknown_fields_may_be_let_through() {
    let town = town();
    town.save("route.yaml", &route(&[("v1", 1)]).replace("weight: 1", "colour: red"));
    assert_eq!(run(&["validate", &town.path()]).0, 1);
    let (code, _, err) = run(&["validate", "--unknown-fields", "warn", &town.path()]);
    assert!(code == 0 && err.contains("warning:"), "{err}");
    assert_eq!(run(&["validate", "--unknown-fields", "ignore", &town.path()]).0, 0);
}

#[test]
fn a_plan_is_shown_as_table_yaml_and_json_and_in_the_words_of_proxies() {
    let path = town().path();
    let town = town();
    let ask = |rest: &[&str]| {
        let (code, out, err) = run(&[&["plan", &town.path(), "--proxy", "web-1"], rest].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{path}");
        out
    };
    assert!(ask(&[]).contains("MeshTCPRoute default/canary"));
    let json: serde_json::Value = serde_json::from_str(&ask(&["-o", "json"])).unwrap();
    assert_eq!(json["outbounds"][0]["split"][0]["weight"], 90);
    assert_eq!(json["outbounds"][0]["split"][0]["policy"]["name"], "canary");
    assert!(ask(&["-o", "yaml"]).contains("weight: 90"));
    assert!(ask(&["--as", "envoy"]).contains("envoy.filters.network.tcp_proxy"));
    assert!(ask(&["--as", "l4", "-o", "json"]).contains("\"weight\": 90"));
}

#[test]
fn a_proxy_that_is_not_there_is_said_with_those_that_are() {
    for command in ["plan", "explain"] {
        let (code, _, err) = run(&[command, &town().path(), "--proxy", "nobody"]);
        assert_eq!(code, 1);
        assert!(err.contains("default/nobody") && err.contains("default/web-1"), "{err}");
    }
}

#[test]
fn an_explanation_says_who_decided_and_the_split() {
    let town = town();
    for outbound in ["redis", &town.outbound.to_string()] {
        let arguments = ["explain", &town.path(), "--proxy", "web-1", "--outbound", outbound];
        let (code, out, err) = run(&arguments);
        assert_eq!((code, err.as_str()), (0, ""));
        for part in ["canary", "90", "10", "redis"] {
            assert!(out.contains(part), "{part} is not in\n{out}");
        }
    }
    let (code, _, err) = run(&["explain", &town.path(), "--proxy", "web-1", "--outbound", "nowhere"]);
    assert!(code == 1 && err.contains("redis"), "{err}");
}

#[test]
fn profiles_are_listed() {
    let (code, out, _) = run(&["profiles"]);
    assert!(code == 0 && out.contains("2.14") && out.contains("default"), "{out}");
}

#[test]
fn the_demo_shows_a_split_that_is_as_wanted_and_cuts_nothing() {
    let (code, out, err) = run(&["demo", "--connections", "300"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("connections opened 300") && out.contains("connections cut 0"), "{out}");
}

#[test]
fn a_demo_that_is_stopped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = meshtcp(["demo", "--connections", "300"]);
    command.env("TMPDIR", folder.path());
    let mut demo = Program::start(command);
    demo.awaits_text(0, "resources in");
    demo.signal(rustix::process::Signal::TERM);
    assert_eq!(demo.ends(), 130, "{}", demo.printed());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_answer_that_cannot_be_written_whole_is_no_success() {
    let town = Town::new();
    let control_plane = ControlPlane::start("memory", &[]);
    for command in [
        &["profiles"][..],
        &["validate", &town.path(), "-o", "json"],
        &["plan", &town.path(), "--proxy", "web-1"],
        &["backup", "--server", &control_plane.api],
        &["get", "meshes", "-o", "yaml", "--server", &control_plane.api],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = meshtcp(command).stdout(full).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.contains("standard output cannot be written: No space left on device"),
            "{command:?}: {error}"
        );
        assert_eq!(output.status.code(), Some(3), "{command:?}");
    }
}
