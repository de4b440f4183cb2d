//! Control plane with a store: resources put over its API take effect, and survive a restart.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{ask, exchange, json};
use crate::backend::free_ports;
use crate::program::{PATIENCE, Program, eventually, meshtcp};

const ROUTE: &str = "/meshes/shop/meshtcproutes/canary";
const FIRST_TOKEN: &str = "/global-secrets/admin-user-token";

/// Control plane that can be restarted at the same addresses.
pub(crate) struct ControlPlane {
    pub(crate) program: Program,
    pub(crate) api: String,
    pub(crate) xds: String,
}

impl ControlPlane {
    pub(crate) fn start(store: &str, more: &[&str]) -> Self {
        Self::start_at(store, "127.0.0.1:0", "127.0.0.1:0", more)
    }

    pub(crate) fn start_at(store: &str, api: &str, xds: &str, more: &[&str]) -> Self {
        let fixed = ["control-plane", "--store", store, "--api", api, "--xds", xds];
        Self::of(Program::start(meshtcp(fixed.iter().chain(more))))
    }

    /// Control plane that runs in this program; its addresses are read from the output.
    pub(crate) fn of(program: Program) -> Self {
        let line = program.awaits_text(0, "discovery: ");
        let xds = line.trim_start_matches("discovery: ").split(',').next().unwrap().to_owned();
        let line = program.awaits_text(0, "api: http://");
        let api = line.trim_start_matches("api: http://").to_owned();
        let it = Self { program, api, xds };
        eventually("the first mesh and token", || ask(&it.api, &format!("GET {FIRST_TOKEN}")).0 == 200);
        it
    }

    fn restarted(mut self, store: &str) -> Self {
        self.program.signal(Signal::TERM);
        assert_eq!(self.program.ends(), 0, "{}", self.program.printed());
        Self::start_at(store, &self.api, &self.xds, &[])
    }

    /// Puts a document, and returns its revision.
    pub(crate) fn put(&self, path: &str, document: &Value) -> u64 {
        let answer = exchange(&self.api, &format!("PUT {path} {document}"));
        assert!(answer.starts_with("HTTP/1.1 20"), "{path}: {answer}");
        header(&answer, "meshtcp-revision").parse().unwrap()
    }

    /// Puts a document if its stored version is `version`, and returns the status.
    fn put_on(&self, path: &str, version: &str, document: &Value) -> u16 {
        ask(&self.api, &format!("PUT {path} {document}\nHost: localhost\r\nIf-Match: {version}")).0
    }

    fn version(&self, path: &str) -> String {
        header(&exchange(&self.api, &format!("GET {path}")), "etag")
    }

    pub(crate) fn is_live(&self, revision: u64) {
        let (status, events) = ask(&self.api, &format!("GET /_revisions/{revision}/_events?wait=50"));
        assert_eq!(status, 200);
        assert!(events.contains("event: live"), "{events}");
    }

    pub(crate) fn is_online(&self, proxy: &str) -> bool {
        let overview = json(&self.api, &format!("/meshes/shop/dataplanes/{proxy}/_overview"));
        let subscriptions = overview["dataplaneInsight"]["subscriptions"].as_array().cloned();
        subscriptions.is_some_and(|all| all.iter().any(|it| it["disconnectTime"].is_null()))
    }
}

fn header(answer: &str, name: &str) -> String {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let values = head.lines().filter_map(|line| line.split_once(": "));
    let value = values.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next();
    value.unwrap_or_else(|| panic!("{name} is not in {answer}")).to_owned()
}

/// Backend that sends one letter on each connection. Returns its port.
fn backend(letter: u8) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut connection, _)) = listener.accept() {
            // the client may have disconnected
            let _ = connection.write_all(&[letter]);
        }
    });
    port
}

/// Letter from the backend that answers; `None`: none does.
fn answer(port: u16) -> Option<u8> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut letter = [0];
    connection.read_exact(&mut letter).ok()?;
    Some(letter[0])
}

fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

fn server(name: &str, port: u16) -> Value {
    json!({ "type": "Dataplane", "mesh": "shop", "name": name, "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": port, "tags": { "kuma.io/service": name, "kuma.io/protocol": "tcp" } }],
    } })
}

fn client(port: u16) -> Value {
    json!({ "type": "Dataplane", "mesh": "shop", "name": "web-1", "networking": {
        "address": "127.0.0.1",
        // policies select proxies by their inbounds
        "inbound": [{ "port": free_port(), "tags": { "kuma.io/service": "web" } }],
        "outbound": [{ "port": port, "tags": { "kuma.io/service": "db" } }],
    } })
}

fn route(old: u32, new: u32) -> Value {
    json!({ "type": "MeshTCPRoute", "mesh": "shop", "name": "canary", "spec": {
        "targetRef": { "kind": "Mesh" },
        "to": [{ "targetRef": { "kind": "MeshService", "name": "db" }, "rules": [{ "default": { "backendRefs": [
            { "kind": "MeshService", "name": "db-old", "weight": old },
            { "kind": "MeshService", "name": "db-new", "weight": new },
        ] } }] }],
    } })
}

/// Puts a mesh with a split, and attaches a proxy. Returns the proxy and its port.
fn filled(control_plane: &ControlPlane, kind: &str) -> (Program, u16) {
    let api = control_plane.api.as_str();
    let config = json(api, "/config");
    assert_eq!((&config["store"]["type"], &config["apiServer"]["readOnly"]), (&json!(kind), &json!(false)));
    let port = free_port();
    // nothing can be put into a mesh that does not exist
    assert_eq!(ask(api, &format!("PUT {ROUTE} {}", route(1, 0))).0, 404);
    control_plane.put("/meshes/shop", &json!({ "type": "Mesh", "name": "shop" }));
    control_plane.put("/meshes/shop/dataplanes/db-old", &server("db-old", backend(b'o')));
    control_plane.put("/meshes/shop/dataplanes/db-new", &server("db-new", backend(b'n')));
    control_plane.put("/meshes/shop/dataplanes/web-1", &client(port));
    control_plane.is_live(control_plane.put(ROUTE, &route(1, 0)));
    let proxy =
        Program::start(meshtcp(["proxy", "--proxy", "shop/web-1", "--control-plane", &control_plane.xds]));
    (proxy, port)
}

/// Changes a split on top of the version that was read; a second change on top of the same version is refused.
fn moves(control_plane: &ControlPlane, port: u16) {
    eventually("the old one answers", || answer(port) == Some(b'o'));
    let read = control_plane.version(ROUTE);
    assert_eq!(control_plane.put_on(ROUTE, &read, &route(0, 1)), 200);
    assert_eq!(control_plane.put_on(ROUTE, &read, &route(1, 1)), 409);
    let mut wrong = route(1, 0);
    wrong["spec"]["to"][0]["targetRef"]["name"] = Value::Null;
    let (status, why) = ask(&control_plane.api, &format!("PUT {ROUTE} {wrong}"));
    assert_eq!(status, 400, "{why}");
    control_plane.is_live(control_plane.version(ROUTE).trim_matches('"').parse().unwrap());
    assert_eq!(answer(port), Some(b'n'));
}

#[test]
fn what_is_put_into_a_file_is_carried_and_a_restart_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    restart_keeps_it("file", &format!("file:{}", folder.path().join("below/store.redb").display()));
}

#[test]
fn what_is_put_into_a_folder_is_carried_and_a_restart_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    restart_keeps_it("folder", &format!("folder:{}", folder.path().join("below/store").display()));
    // in the documented place, and readable
    let route = folder.path().join("below/store/shop/Dataplane.web-1.yaml");
    assert!(std::fs::read_to_string(route).unwrap().contains("name: web-1"));
}

fn restart_keeps_it(kind: &str, store: &str) {
    let control_plane = ControlPlane::start(store, &[]);
    let (proxy, port) = filled(&control_plane, kind);
    proxy.awaits_text(0, "listeners opened");
    moves(&control_plane, port);
    let secret = json(&control_plane.api, FIRST_TOKEN);
    let everything = |api: &str| {
        let kinds = ["meshes", "dataplanes", "meshtcproutes"];
        kinds.map(|kind| json(api, &format!("/{kind}")))
    };
    let (before, version) = (everything(&control_plane.api), control_plane.version(ROUTE));

    let mark = proxy.mark();
    let control_plane = control_plane.restarted(store);
    assert_eq!(everything(&control_plane.api), before);
    assert_eq!(control_plane.version(ROUTE), version);
    assert_eq!(json(&control_plane.api, FIRST_TOKEN), secret);
    assert_eq!(answer(port), Some(b'n'));
    proxy.awaits_text(mark, "connected to the control plane");
    eventually("online again", || control_plane.is_online("web-1"));

    let revision = control_plane.put(ROUTE, &route(1, 0));
    assert!(revision > version.trim_matches('"').parse().unwrap(), "{revision} after {version}");
    control_plane.is_live(revision);
    assert_eq!(answer(port), Some(b'o'));

    // without the route the split service itself is the destination, and it has no endpoint
    let answer = exchange(&control_plane.api, &format!("DELETE {ROUTE}"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    control_plane.is_live(header(&answer, "meshtcp-revision").parse().unwrap());
    assert_eq!(ask(&control_plane.api, &format!("GET {ROUTE}")).0, 404);
}

#[test]
fn what_is_put_into_memory_is_carried_until_the_end() {
    let control_plane = ControlPlane::start("memory", &[]);
    let (proxy, port) = filled(&control_plane, "memory");
    proxy.awaits_text(0, "listeners opened");
    moves(&control_plane, port);
    let control_plane = control_plane.restarted("memory");
    assert_eq!(ask(&control_plane.api, "GET /meshes/shop").0, 404);
    // a proxy keeps its running configuration
    assert_eq!(answer(port), Some(b'n'));
}

#[test]
fn keys_of_tokens_are_made_in_a_store() {
    let control_plane = ControlPlane::start("memory", &["--dataplane-auth", "token"]);
    control_plane.put("/meshes/shop", &json!({ "type": "Mesh", "name": "shop" }));
    control_plane.put("/meshes/shop/dataplanes/db-1", &server("db-1", 1));
    let start = |token: &[&str]| {
        let fixed = ["proxy", "--proxy", "shop/db-1", "--control-plane", &control_plane.xds];
        Program::start(meshtcp(fixed.iter().chain(token)))
    };
    start(&[]).awaits_text(0, "no token");
    let wanted = r#"{"mesh":"shop","name":"db-1","validFor":"1h"}"#;
    let (status, token) = ask(&control_plane.api, &format!("POST /tokens/dataplane {wanted}"));
    assert_eq!(status, 200, "{token}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, &token).unwrap();
    let proxy = start(&["--token-file", file.to_str().unwrap()]);
    proxy.awaits_text(0, "connected to the control plane");
    assert!(!control_plane.program.printed().contains(token.trim()), "a token was printed");
}

#[test]
fn what_cannot_be_a_store_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (arguments, code, words) in [
        (vec!["--store", "nowhere"], 2, "write file:PATH"),
        (vec![path, "--store", "memory"], 2, "PATH cannot be used with --store:"),
        (vec!["--store", &format!("file:{path}")], 3, path),
        (vec!["--store", "mysql://mesh:hunter2@db/mesh"], 2, "invalid value for '--store <STORE>'"),
        (vec!["--store", "postgres://mesh:hunter2@db:port/mesh"], 3, "its address cannot be read"),
        (vec!["postgres://mesh:hunter2@db/mesh"], 2, "write --store postgres:"),
    ] {
        let mut program = Program::start(meshtcp(["control-plane"].iter().chain(&arguments)));
        program.awaits_text(0, words);
        assert_eq!(program.ends(), code, "{arguments:?}: {}", program.printed());
        assert!(!program.printed().contains("hunter2"), "{arguments:?}: {}", program.printed());
    }
}

#[test]
fn a_store_in_the_environment_is_told_by_its_name_and_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (value, paths, words) in [
        ("memory", vec![path], "MESHTCP_STORE in the environment"),
        ("mysql://mesh:hunter2@db/mesh", vec![], "MESHTCP_STORE: invalid value"),
    ] {
        let mut command = meshtcp(["control-plane"].iter().chain(&paths));
        command.env("MESHTCP_STORE", value);
        let mut program = Program::start(command);
        program.awaits_text(0, words);
        assert_eq!(program.ends(), 2, "{}", program.printed());
        assert!(!program.printed().contains("hunter2"), "{}", program.printed());
    }
}

#[test]
fn a_list_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let control_plane = ControlPlane::start(&format!("folder:{}", store.display()), &[]);
    control_plane.put("/meshes/shop", &json!({ "type": "Mesh", "name": "shop" }));
    std::fs::create_dir_all(store.join("shop")).unwrap();
    std::fs::write(store.join("shop/MeshTimeout.slow.yaml"), "spec: [   # half of an edit").unwrap();
    let listed = || json(&control_plane.api, "/meshes/shop/meshtimeouts");
    eventually("the list names the file", || listed()["warnings"][0].is_string());
    let warning = listed()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains("slow") && warning.contains("stored and stands in no list"), "{warning}");
    let server = format!("http://{}", control_plane.api);
    let got = meshtcp(["get", "meshtimeouts", "--mesh", "shop", "-o", "json", "--server", &server])
        .output()
        .unwrap();
    assert!(got.status.success());
    let said = String::from_utf8(got.stderr).unwrap();
    assert_eq!(said.lines().filter(|line| line.starts_with("warning: ")).count(), 1, "{said}");
    let backup = meshtcp(["backup", "--server", &server]).output().unwrap();
    assert!(String::from_utf8(backup.stderr).unwrap().contains("slow"));
}
