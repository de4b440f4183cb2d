//! Commands that talk to a control plane: their requests to its REST API, and their use of the answers.

use std::time::Instant;

use serde_json::json;

use crate::program::{self, PATIENCE, meshtcp};
use crate::stand_in::StandIn;
use crate::town::{Town, route};

fn answer(server: &StandIn, arguments: &[&str]) -> (i32, String, String) {
    program::answer(meshtcp(arguments).env("MESHTCP_SERVER", &server.server))
}

fn live(live: u64) -> serde_json::Value {
    json!({"revision": 5, "acceptedAt": "2026-11-25T00:00:00Z", "concerned": 2, "live": live,
        "lagging": if live < 2 { json!([{"proxy": "default/web-2", "attached": true}]) } else { json!([]) }, "refused": [],
        "liveAfter": {"p50": 0.1, "p99": if live < 2 { json!(null) } else { json!(0.25) }, "p100": if live < 2 { json!(null) } else { json!(0.25) }}})
}

#[test]
fn resources_are_applied_once_and_seen_again() {
    let server = StandIn::start(vec![live(1), live(2)]);
    let town = Town::new();
    town.route(&[("v1", 90), ("v2", 10)]);
    let (code, out, err) = answer(&server, &["apply", "--dry-run", "-f", &town.path()]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("MeshTCPRoute default/canary created (dry run)"), "{out}");
    assert!(server.asked().iter().all(|asked| asked.starts_with("GET ")));

    let (code, out, err) = answer(&server, &["apply", "-f", &town.path()]);
    assert!(code == 0 && err.contains("warning: MeshTCPRoute default/canary: it is cold"), "{err}");
    assert!(
        out.starts_with("Mesh default created\n") && out.contains("Dataplane default/web-1 created"),
        "{out}"
    );
    assert!(server.asked().contains(&"PUT /meshes/default/meshtcproutes/canary".to_owned()));
    let (_, out, _) = answer(&server, &["apply", "-f", &town.path()]);
    assert!(out.lines().all(|line| line.ends_with(" unchanged")), "{out}");
    assert!(server.asked().iter().all(|asked| asked.starts_with("GET ")));

    // three Dataplanes are two pages
    let (code, out, _) = answer(&server, &["get", "dp", "-o", "name"]);
    assert_eq!((code, out.as_str()), (0, "dataplanes/redis-v1\ndataplanes/redis-v2\ndataplanes/web-1\n"));
    let (_, out, _) = answer(&server, &["get", "meshtcproutes"]);
    assert!(out.contains("redis → redis version=v1 90, redis version=v2 10"), "{out}");
    let (code, out, _) = answer(&server, &["get", "mtcpr/canary", "-o", "yaml"]);
    assert!(code == 0 && out.starts_with("type: MeshTCPRoute\n"), "{out}");
    let (code, _, err) = answer(&server, &["get", "mtcpr", "nobody"]);
    assert!(code == 1 && err.contains("nobody"), "{err}");
}

#[test]
fn a_control_plane_that_is_starting_is_asked_again_for_a_moment() {
    let server = StandIn::that_is_starting(3);
    let (code, out, err) = answer(&server, &["get", "meshes", "-o", "name"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "no Mesh is there\n"));
    assert!(server.asked().len() >= 4);
    // longer than the time for which the command retries
    let (code, _, err) = answer(&StandIn::that_is_starting(10_000), &["get", "meshes"]);
    assert!(code != 0 && err.contains("error:"), "{err}");
}

#[test]
fn a_change_is_foretold_against_what_is_stored_made_and_waited_for() {
    let server = StandIn::start(vec![live(1), live(2)]);
    let town = Town::new();
    town.route(&[("v1", 90), ("v2", 10)]);
    assert_eq!(answer(&server, &["apply", "-f", &town.path()]).0, 0);
    let change = tempfile::tempdir().unwrap();
    let file = change.path().join("route.yaml");
    std::fs::write(&file, route(&[("v1", 50), ("v2", 50)])).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = answer(&server, &["preview", "-f", file]);
    assert!(code == 0 && out.contains("90/10 → 50/50"), "{out}{err}");
    let (code, out, _) = answer(&server, &["diff", "-f", file]);
    assert!(code == 1 && out.contains("weight: 90 → 50"), "{out}");
    let (code, out, err) = answer(&server, &["apply", "-f", file, "--wait"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("2/2 proxies live: 50% after 0.100 s, 99% after 0.250 s, 100% after 0.250 s"),
        "{out}"
    );
    let (code, out, err) = answer(&server, &["explain", "--from", "web-1", "--to", "redis"]);
    assert!(code == 0 && out.contains("canary") && out.contains("50"), "{out}{err}");
    let (code, out, _) = answer(&server, &["status"]);
    assert!(code == 0 && out.contains("in sync") && out.contains("1 live"), "{out}");
    let (code, out, err) = answer(&server, &["describe", "mtcpr", "canary"]);
    assert!(code == 0 && out.contains("live     1 live, of 1 that it selects"), "{out}{err}");
    let (code, out, err) = answer(&server, &["delete", "mtcpr", "canary"]);
    assert!(code == 0 && out.contains("deleted"), "{err}");
    assert_eq!(answer(&server, &["delete", "mtcpr", "canary"]).0, 1);
    assert_eq!(answer(&server, &["delete", "mtcpr", "canary", "--ignore-not-found"]).0, 0);
}

#[test]
fn a_change_that_is_not_live_everywhere_has_an_exit_code_of_its_own() {
    let server = StandIn::start(vec![live(1)]);
    let town = Town::new();
    let (code, out, err) = answer(&server, &["apply", "-f", &town.path(), "--wait", "--timeout", "1s"]);
    assert_eq!(code, 5, "{out}{err}");
    assert!(err.contains("not live on default/web-2"), "{err}");
}

#[test]
fn a_stream_that_falls_silent_is_waited_for_until_the_deadline() {
    for (told, words) in
        [(vec![live(1)], "not live on default/web-2"), (vec![], "nothing is known of revision")]
    {
        let server = StandIn::that_falls_silent(told);
        let town = Town::new();
        let start = Instant::now();
        let (code, out, err) = answer(&server, &["apply", "-f", &town.path(), "--wait", "--timeout", "1s"]);
        assert!(code == 5 && err.contains(words), "{code}: {out}{err}");
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }
}

#[test]
fn a_no_of_the_control_plane_is_told_with_its_fields() {
    let server = StandIn::start(Vec::new());
    let town = Town::new();
    town.save("route.yaml", &route(&[("v1", 1)]).replace("name: canary", "name: refused"));
    let (code, out, err) = answer(&server, &["apply", "-f", &town.path()]);
    assert!(code == 1 && err.contains("spec.to: says who"), "{err}");
    assert!(out.contains("Dataplane default/web-1 created"), "{out}");
}
