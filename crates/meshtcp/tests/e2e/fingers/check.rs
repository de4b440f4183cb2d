//! `meshtcp check`, also of systems in which one thing is broken.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use super::{Did, Fixture, did};
use crate::api::ask;
use crate::backend::free_ports;
use crate::program::meshtcp;

/// Change of an answer on its way: status, date and document, by path.
type Change = fn(&str, &mut u16, &mut String, &mut Value);

/// Starts a server that answers like a control plane, except for a change.
fn changed(api: &str, change: Change) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let api = api.to_owned();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let api = api.clone();
            std::thread::spawn(move || answer(&connection, &api, change));
        }
    });
    format!("http://{address}")
}

fn answer(mut connection: &TcpStream, api: &str, change: Change) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let (mut status, body) = ask(api, &format!("GET {path}"));
    let mut document: Value = serde_json::from_str(&body).unwrap_or_default();
    let mut date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    change(&path, &mut status, &mut date, &mut document);
    let body = document.to_string();
    let length = body.len();
    // the client may have disconnected
    let _ = write!(
        connection,
        "HTTP/1.1 {status} x\r\ndate: {date}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}

#[test]
fn each_thing_that_is_broken_is_told_by_its_name_and_with_what_to_do() {
    let fixture = Fixture::laid();
    let broken: [(&str, &str, &str, Change); 8] = [
        ("clock", "fail", "s ahead of this host's", |path, _, date, _| {
            if path == "/" {
                "Sat, 01 Jan 2050 00:00:00 GMT".clone_into(date);
            }
        }),
        ("versions", "warn", "the control plane 9.9.9", |path, _, _, document| {
            if path == "/" {
                document["version"] = json!("9.9.9");
            }
        }),
        ("store", "fail", "cannot be read now", |path, status, _, document| {
            if path.starts_with("/meshes") {
                *status = 503;
                *document = json!({ "title": "Could not retrieve resources", "detail": "the store cannot be read now" });
            }
        }),
        ("CA of shop (ca)", "fail", "no key", |path, _, _, document| {
            if path.starts_with("/_identity") {
                document["authorities"] =
                    json!([{ "mesh": "shop", "name": "ca", "why": "it has no key", "former": 0 }]);
            }
        }),
        ("certificates", "fail", "those of 1 proxies have ended: shop/db-1", |path, _, _, document| {
            if path.starts_with("/_identity") {
                document["proxies"] = json!([{
                    "mesh": "shop", "name": "db-1", "authority": "ca", "uris": [], "ends": "2020-01-01T00:00:00Z", "madeCount": 1,
                }]);
            }
        }),
        ("proxies", "fail", "1 refuse something: default/web-1", |path, _, _, document| {
            if path.starts_with("/_status") {
                let at = "2026-01-01T00:00:00Z";
                document["proxies"][0]["refusals"] =
                    json!([{ "typeUrl": "x", "name": "y", "message": "no", "at": at }]);
                document["proxies"][0]["connection"] = json!({ "since": at, "protocol": "delta", "dialect": "l4", "peer": null, "agent": "test" });
            }
        }),
        ("lag", "warn", "1 lag behind", |path, _, _, document| {
            if path.starts_with("/_status") {
                let revision = document["revision"].clone();
                document["rollout"] = json!({
                    "revision": revision, "acceptedAt": "2026-01-01T00:00:00Z", "concerned": 1, "live": 0, "laggingCount": 1,
                });
            }
        }),
        (
            "control planes",
            "warn",
            "what the others know cannot be read: the board is away",
            |path, _, _, document| {
                if path.starts_with("/_status") {
                    document["othersUnknown"] = json!("the board is away");
                }
            },
        ),
    ];
    for (what, level, says, change) in broken {
        let server = changed(&fixture.control_plane.api, change);
        let checked = did(&mut meshtcp(["check", "--server", &server, "-o", "json"]));
        let all: Value =
            serde_json::from_str(&checked.out).unwrap_or_else(|error| panic!("{error}: {}", checked.out));
        let found = all.as_array().unwrap().iter().find(|it| {
            it["what"] == what
                && it["level"] == level
                && it["says"].as_str().is_some_and(|it| it.contains(says))
        });
        let Some(found) = found else { panic!("{what} is not told: {all:#}\n{}", checked.err) };
        assert_eq!(checked.code, i32::from(level == "fail"), "{found}");
    }
}

#[test]
fn a_system_that_is_well_and_one_that_is_not_are_told_apart() {
    let fixture = Fixture::laid();
    let levels = |did: &Did| -> Vec<(String, String)> {
        let tree: Value =
            serde_json::from_str(&did.out).unwrap_or_else(|error| panic!("{error}: {}", did.out));
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        tree.as_array().unwrap().iter().map(|it| (text(it, "what"), text(it, "level"))).collect()
    };
    let is = |found: &[(String, String)], what: &str, level: &str| {
        found.iter().any(|(it, is)| it == what && is == level)
    };
    let checked = fixture.run(&["check", "-o", "json"]);
    let found = levels(&checked);
    assert_eq!(checked.code, 0, "{}", checked.out);
    for (what, level) in [
        ("control plane", "ok"),
        ("versions", "ok"),
        ("clock", "ok"),
        ("store", "ok"),
        ("certificates", "ok"),
        ("proxies", "warn"),
    ] {
        assert!(is(&found, what, level), "{what} is not {level} in {found:?}");
    }
    let [port] = free_ports();
    let nobody = format!("127.0.0.1:{port}");
    let away = fixture.run(&["check", "--server", &nobody, "--proxy-admin", &nobody, "-o", "json"]);
    let found = levels(&away);
    assert!(
        away.code == 4
            && is(&found, "control plane", "fail")
            && is(&found, &format!("proxy {nobody}"), "fail"),
        "{found:?}"
    );
    let listener = TcpListener::bind("127.0.0.1:7001");
    let table = fixture.run(&["check", "--no-control-plane"]);
    drop(listener);
    assert!(
        table.code == 0
            && table.out.starts_with("IS ")
            && table.out.contains("open files")
            && table.out.contains(" failed\n"),
        "{}",
        table.out
    );
}
