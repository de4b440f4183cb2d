//! Files of any size or strangeness: messages about them are short, and running processes keep serving.

use serde_json::json;

use crate::api::json;
use crate::backend::{free_ports, serve};
use crate::connection::{Connection, reaches};
use crate::program::{Up, answer, meshtcp};
use crate::store::ControlPlane;
use crate::town::Town;

/// Limit on the output about one problem, in bytes.
const ONE: usize = 2_000;

/// Dataplane on one long line, with a problem far along it.
fn long_line() -> String {
    let labels: Vec<String> = (0..5000).map(|number| format!("\"team-{number}\":\"ledger\"")).collect();
    format!(
        "{{\"type\":\"Dataplane\",\"mesh\":\"default\",\"name\":\"wide\",\"labels\":{{{}}},\"networking\":{{\"address\":\
         \"127.0.0.1\",\"inbound\":[{{\"port\":7010,\"nosuch\":1,\"tags\":{{\"kuma.io/service\":\"wide\"}}}}]}}}}\n",
        labels.join(",")
    )
}

fn validated(text: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.yaml");
    std::fs::write(&file, text).unwrap();
    let all = ["validate"].iter().chain(arguments).copied().chain([file.to_str().unwrap()]);
    answer(&mut meshtcp(all))
}

#[test]
fn a_long_line_is_shown_around_its_problem() {
    let (code, _, err) = validated(&long_line(), &[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("f.yaml:1:") && err.contains("\"nosuch\":1"), "{err}");
    assert!(err.len() < ONE, "{} bytes", err.len());
}

#[test]
fn of_many_problems_the_first_are_shown_and_the_others_counted() {
    let text = "a:\n".repeat(20_000);
    let (code, out, err) = validated(&text, &[]);
    assert_eq!(code, 1);
    assert!(out.contains("20000 errors"), "{out}");
    assert!(err.contains("and 19980 more problems") && err.len() < 20 * ONE, "{} bytes", err.len());
    let (_, out, _) = validated(&text, &["-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!((list.len(), list[20]["more"].as_u64()), (21, Some(19_980)));
}

#[test]
fn what_a_file_says_moves_no_cursor() {
    let text = "type: Mesh\nname: default\n\"\\e[2J\\nerror: forged\": 1\nb: \u{202e}\u{9b}x\n";
    for arguments in [&[][..], &["-o", "json"], &["-o", "yaml"]] {
        let (_, out, err) = validated(text, arguments);
        for text in [out, err] {
            let bad = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
            assert!(!text.chars().any(bad) && !text.contains("\nerror: forged"), "{text:?}");
        }
    }
}

#[test]
fn up_goes_on_whatever_is_saved() {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    town.route(&[("v1", 1)]);
    let mut up = Up::start(&[&town.path()]);
    up.is_ready();
    let mut open = Connection::open(town.outbound).unwrap();
    for (name, text) in [
        ("long.json", long_line()),
        ("many.yaml", "a:\n".repeat(50_000)),
        ("wide.yaml", format!("type: Mesh\nname: \"{}\u{1b}[2J\n", "数\t\u{301}".repeat(40_000))),
        ("ends.yaml", format!("{}\r\n\ta: [", "é".repeat(70_000))),
        ("alias.yaml", format!("a: &a {}\nb: [{}*a]\n", "x".repeat(1 << 20), "*a,".repeat(8_000))),
    ] {
        let mark = up.program.mark();
        town.save(name, &text);
        up.program.awaits_text(mark, &format!("{name}: nothing of it is in force"));
        assert!(up.program.is_running());
        open.echo();
    }
    let problems = up.json("/status")["problems"].as_array().unwrap().len();
    assert!((1..=21).contains(&problems), "{problems}");
    assert!(up.program.printed().len() < 400_000, "{} bytes", up.program.printed().len());
    town.route(&[("v2", 1)]);
    reaches(town.outbound, &["v2"]);
    open.echo();
}

#[test]
fn a_list_of_plans_is_as_long_as_was_asked_for_and_counts_what_does_nothing() {
    let control_plane = ControlPlane::start("memory", &["--admin", "127.0.0.1:0"]);
    let line = control_plane.program.awaits_text(0, "admin: http://");
    let admin = line.trim_start_matches("admin: http://");
    for name in ["db", "web"] {
        let [inbound, outbound] = free_ports();
        let path = format!("/meshes/default/dataplanes/{name}-1");
        let mut dataplane = json!({ "type": "Dataplane", "mesh": "default", "name": format!("{name}-1"), "networking": {
            "address": "127.0.0.1", "inbound": [{ "port": inbound, "tags": { "kuma.io/service": name } }],
        } });
        if name == "web" {
            dataplane["networking"]["outbound"] =
                json!([{ "port": outbound, "tags": { "kuma.io/service": "db" } }]);
        }
        control_plane.put(&path, &dataplane);
    }
    let to = json!([{ "targetRef": { "kind": "MeshService", "name": "db" }, "rules": [{ "default": {
        "backendRefs": [{ "kind": "MeshService", "name": "db" }],
    } }] }]);
    let route = json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "out", "spec": {
        "targetRef": { "kind": "Mesh" }, "to": to,
    } });
    let revision = control_plane.put("/meshes/default/meshtcproutes/out", &route);
    control_plane.is_live(revision);
    let page = |query: &str| json(admin, &format!("/plan?{query}"));
    let one = page("size=1&offset=1");
    assert_eq!((&one["total"], one["plans"].as_array().unwrap().len()), (&2.into(), 1), "{one:#}");
    let web = &one["plans"][0];
    assert_eq!(
        (&web["routes"][0]["outcome"], &web["routesIgnored"]),
        (&"applied".into(), &0.into()),
        "{web:#}"
    );
    let db = &page("size=1")["plans"][0];
    assert_eq!((&db["routes"], &db["routesIgnored"]), (&json!([]), &1.into()), "{db:#}");
    let all = page("proxy=default/db-1");
    assert_eq!(all["routes"][0]["outcome"], "ignored", "of one everything is told: {all:#}");
}
