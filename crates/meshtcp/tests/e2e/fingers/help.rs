//! What the command line says about itself, and how it looks.

use std::time::Duration;

use serde_json::Value;

use super::{Did, Fixture, did};
use crate::program::meshtcp;

#[test]
fn versions_are_told_of_both_sides() {
    let fixture = Fixture::new();
    let both = fixture.run(&["version", "-o", "json"]);
    let tree: Value = serde_json::from_str(&both.out).unwrap();
    assert_eq!((both.code, &tree["client"]["version"]), (0, &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(tree["server"]["product"], "meshtcp");
    fixture.lines(&[
        ("version", 0, &["client  meshtcp", "server  meshtcp", "rules of Kuma 2.14"]),
        ("version --client", 0, &["client  meshtcp", "!server"]),
        ("version --server http://127.0.0.1:1", 4, &["client  meshtcp", "cannot be reached"]),
    ]);
}

#[test]
fn a_shell_completes_kinds_contexts_and_the_names_that_there_are() {
    let fixture = Fixture::laid();
    let config = fixture.save("config.yaml", "contexts: [{name: prod, server: 'http://127.0.0.1:1'}, {name: preview, server: 'http://127.0.0.1:1'}]\n");
    let asked = |words: &[&str], server: &str| {
        let mut command = meshtcp(["--"].iter().chain(words));
        command.env("MESHTCP_COMPLETE", "bash").env("MESHTCP_CONFIG", &config).env("MESHTCP_SERVER", server);
        command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string()).env("_CLAP_IFS", "\n");
        let Did { code, out, err } = did(&mut command);
        assert_eq!(code, 0, "{err}");
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let server = format!("http://{}", fixture.control_plane.api);
    let commands = asked(&["meshtcp", ""], &server);
    assert!(
        ["preview", "control-plane"].iter().all(|it| commands.contains(&(*it).to_owned())),
        "{commands:?}"
    );
    assert!(asked(&["meshtcp", "get", "meshtcp"], &server).contains(&"meshtcproutes".to_owned()));
    assert_eq!(asked(&["meshtcp", "get", "mtcpr", ""], &server)[..2], ["moves", "stays"]);
    assert_eq!(asked(&["meshtcp", "delete", "mtcpr", "st"], &server), ["stays"]);
    assert_eq!(asked(&["meshtcp", "get", "meshes", "--context", "pr"], &server), ["prod", "preview"]);
    assert!(asked(&["meshtcp", "token", "cr"], &server).contains(&"create".to_owned()));
    // a server that accepts and never answers
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let began = std::time::Instant::now();
    let server = format!("http://{}", silent.local_addr().unwrap());
    let names = asked(&["meshtcp", "get", "mtcpr", "m"], &server);
    assert!(!names.contains(&"moves".to_owned()) && began.elapsed() < Duration::from_secs(10), "{names:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = fixture.run(&["completion", shell]);
        assert!(script.code == 0 && script.out.contains("MESHTCP_COMPLETE"), "{shell}: {}", script.out);
    }
}

#[test]
fn colours_are_where_they_are_wanted_and_nowhere_else() {
    let fixture = Fixture::laid();
    let status = |more: &[&str]| fixture.run(&[&["status"], more].concat()).out;
    assert!(!status(&[]).contains('\u{1b}'));
    assert!(status(&["--color", "always"]).contains("\u{1b}[33mnot attached\u{1b}[0m"));
    assert!(!status(&["--color=never"]).contains('\u{1b}'));
    let bad = fixture
        .save("bad.yaml", "type: Dataplane\nmesh: default\nname: Web 1\nnetworking: {address: 127.0.0.1}\n");
    let told = |more: &[&str], locale: &str| {
        did(fixture.command(&[&["validate", "-f", &bad], more].concat()).env("LC_ALL", locale)).err
    };
    assert!(told(&["--color", "always"], "C.UTF-8").contains("\u{1b}[31m"));
    let ascii = told(&[], "C");
    assert!(ascii.is_ascii() && ascii.contains("+-[") && ascii.contains("help: write `web-1`"), "{ascii}");
    // the mark is below the name
    let lines: Vec<&str> = ascii.lines().collect();
    let at = lines.iter().position(|line| line.contains("name: Web 1")).unwrap();
    assert_eq!(lines[at].find("Web 1"), lines[at + 1].find("-----"), "{ascii}");
    assert!(told(&[], "C.UTF-8").contains('╭'));
}

#[test]
fn what_may_stand_where_is_told_to_people_and_to_editors() {
    let fixture = Fixture::new();
    fixture.lines(&[
        ("explain field mtcpr", 0, &["FIELD", "spec", "object"]),
        (
            "explain field mtcpr.spec.to.rules.default.backendRefs",
            0,
            &["list of objects", "weight", "whole number"],
        ),
        (
            "explain field mtcpr.spec.to[0].rules[0].default.backendRefs[0].weight",
            0,
            &["whole number, known to all"],
        ),
        (
            "explain field mtcpr.spec.targetRef.tags --profile 3",
            1,
            &["profile 3 knows no field", "known from"],
        ),
        ("explain field mtcpr.spec.too", 1, &["did you mean `to`?"]),
        (
            "explain field mtcpr.spec.to.rules.matches --profile 2.14+",
            0,
            &["list of objects, known to 2.14+"],
        ),
        ("explain field mtcpr.spec.to.rules.matches", 1, &["knows no field", "--profile"]),
        ("explain field nope.spec", 2, &["there is no kind `nope`"]),
        ("schema MeshTrust --profile 2.3", 1, &["profile 2.3 has no MeshTrust"]),
    ]);
    let schema: Value = serde_json::from_str(&fixture.run(&["schema"]).out).unwrap();
    let route = &schema["$defs"]["MeshTCPRoute"];
    assert_eq!(
        route["properties"]["spec"]["properties"]["to"]["items"]["properties"]["targetRef"]["type"],
        "object"
    );
    assert_eq!(route["properties"]["labels"]["properties"]["meshtcp.io/existing"]["enum"][0], "keep");
    assert_eq!(
        (&route["additionalProperties"], &route["properties"]["type"]["const"]),
        (&false.into(), &"MeshTCPRoute".into())
    );
    let target = &route["properties"]["spec"]["properties"]["to"]["items"];
    assert_eq!(target["required"], serde_json::json!(["rules", "targetRef"]));
    assert_eq!(target["properties"]["targetRef"]["required"], serde_json::json!(["kind"]));
    let one: Value = serde_json::from_str(&fixture.run(&["schema", "dp"]).out).unwrap();
    assert_eq!(one["required"], serde_json::json!(["name", "networking", "type"]));
    assert_eq!(
        one["properties"]["networking"]["properties"]["inbound"]["items"]["properties"]["port"]["type"],
        "integer"
    );
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("man/man1");
    let made = did(&mut meshtcp(["man", folder.to_str().unwrap()]));
    assert_eq!(made.code, 0, "{}", made.err);
    for page in ["meshtcp.1", "meshtcp-get.1", "meshtcp-config-view.1", "meshtcp-token-create-user.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".TH meshtcp") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let get = std::fs::read_to_string(folder.join("meshtcp-get.1")).unwrap();
    assert!(get.contains("custom\\-columns") && get.contains("Examples"), "{get}");
    let nowhere = did(&mut meshtcp(["man", "/dev/null/folder"]));
    assert!(nowhere.code == 3 && nowhere.err.contains("/dev/null/folder"), "{}", nowhere.err);
}
