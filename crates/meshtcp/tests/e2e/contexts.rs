//! Contexts, and the messages when no control plane answers.

use crate::backend::free_ports;
use crate::program::{answer, meshtcp};

#[test]
fn contexts_are_kept_in_a_file_that_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/config.yaml");
    let ask =
        |arguments: &[&str]| answer(meshtcp(["config"].iter().chain(arguments)).env("MESHTCP_CONFIG", &file));
    assert_eq!(ask(&["contexts"]).0, 0);
    assert_eq!(ask(&["set", "one", "--server", "http://127.0.0.1:5681"]).0, 0);
    assert_eq!(ask(&["set", "two", "--server", "https://cp.example.com:5682", "--mesh", "shop"]).0, 0);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (_, out, _) = ask(&["contexts"]);
    assert!(out.lines().any(|line| line.starts_with("*") && line.contains("one")), "{out}");
    assert_eq!(ask(&["use", "two"]).0, 0);
    let (_, out, _) = ask(&["view", "-o", "json"]);
    let tree: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&tree["currentContext"], &tree["contexts"][1]["mesh"]), (&"two".into(), &"shop".into()));
    let (code, _, err) = ask(&["use", "three"]);
    assert!(code == 1 && err.contains("three"), "{err}");
    assert_eq!(ask(&["delete", "two"]).0, 0);
    assert!(!ask(&["view"]).1.contains("two"));
    std::fs::write(&file, "contexts: [{nam: x}]\n").unwrap();
    let (code, _, err) = ask(&["view"]);
    assert!(code == 3 && err.contains("config.yaml") && err.contains("nam"), "{err}");
}

#[test]
fn a_token_in_the_file_is_shown_to_nobody_who_does_not_ask() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, "contexts: [{name: one, server: \"http://127.0.0.1:1\", token: s3cret}]\n")
        .unwrap();
    let ask = |arguments: &[&str]| answer(meshtcp(arguments).env("MESHTCP_CONFIG", &file)).1;
    assert!(!ask(&["config", "view"]).contains("s3cret"));
    assert!(!ask(&["config", "contexts", "-o", "json"]).contains("s3cret"));
    assert!(ask(&["config", "view", "--raw"]).contains("s3cret"));
}

#[test]
fn a_control_plane_that_does_not_answer_has_an_exit_code_of_its_own() {
    let [port] = free_ports();
    let server = format!("http://127.0.0.1:{port}");
    for command in
        [vec!["get", "meshes"], vec!["status"], vec!["delete", "mesh", "x"], vec!["describe", "mesh", "x"]]
    {
        let (code, _, err) = answer(
            meshtcp(command.iter().copied().chain(["--server", &server]))
                .env("MESHTCP_CONFIG", "/nonexistent/x"),
        );
        assert!(code == 4 && err.contains(&server), "{command:?}: {code} {err}");
    }
}

#[test]
fn names_that_nobody_can_have_are_mistakes_of_the_command_line() {
    let too_long = "z".repeat(64);
    for (arguments, rule) in [
        (
            &["control-plane", "--store", "memory", "--zone", "Zone A"][..],
            "no name of a zone: write 1 to 63 lowercase letters",
        ),
        (&["control-plane", "--store", "memory", "--zone", "zone/1"], "no name of a zone"),
        (&["control-plane", "--store", "memory", "--zone", &too_long], "no name of a zone"),
        (&["control-plane", "--store", "memory", "--mesh", "My Mesh"], "no name of a mesh"),
        (&["up", "--mesh", "a/b", "."], "no name of a mesh"),
        (&["up", "--dataplane", "Web 1", "."], "no name of a resource"),
        (&["get", "dataplanes", "--mesh", "a/b"], "no name of a mesh"),
        (&["proxy", "--proxy", "My Mesh/web-1"], "no name of a mesh"),
        (&["config", "set", "a b", "--server", "http://127.0.0.1:5681"], "a context is named by"),
        (&["config", "set", "a", "--mesh", "A"], "no name of a mesh"),
    ] {
        let (code, _, err) = answer(&mut meshtcp(arguments));
        assert!(code == 2 && err.contains(rule), "{arguments:?}: {code}: {err}");
    }
}
