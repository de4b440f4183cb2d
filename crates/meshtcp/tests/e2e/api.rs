//! REST API of the program: the resources in files, and the state of proxies.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use serde_json::Value;

use crate::program::{PATIENCE, Program, eventually, meshtcp};

/// Sends a request; returns status and body.
pub(crate) fn ask(api: &str, head: &str) -> (u16, String) {
    let answer = exchange(api, head);
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// Sends a request; returns the raw answer.
pub(crate) fn exchange(api: &str, head: &str) -> String {
    let mut connection = TcpStream::connect(api).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let (first, rest) = head.split_once('\n').unwrap_or((head, "Host: localhost"));
    let (first, body) = match first.split_once(" {") {
        Some((first, body)) => (first, format!("{{{body}")),
        None => (first, "{}".to_owned()),
    };
    let length = body.len();
    write!(
        connection,
        "{first} HTTP/1.1\r\n{rest}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn json(api: &str, path: &str) -> Value {
    let (status, body) = ask(api, &format!("GET {path}"));
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn what_files_say_and_proxies_run_is_shown_over_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mesh = format!(
        "type: Mesh\nname: default\n---\ntype: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  \
         outbound: [{{port: {port}, tags: {{kuma.io/service: db}}}}]\n---\ntype: Dataplane\nmesh: default\nname: db-1\nnetworking:\n  \
         address: 127.0.0.1\n  inbound: [{{port: 1, tags: {{kuma.io/service: db}}}}]\n"
    );
    let file = folder.path().join("mesh.yaml");
    std::fs::write(&file, &mesh).unwrap();
    let fixed = ["control-plane", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"];
    let control_plane =
        Program::start(meshtcp(fixed.iter().copied().chain([folder.path().to_str().unwrap()])));
    let line = control_plane.awaits_text(0, "discovery: ");
    let xds = line.trim_start_matches("discovery: ").split(',').next().unwrap().to_owned();
    let line = control_plane.awaits_text(0, "api: http://");
    let api = line.trim_start_matches("api: http://").to_owned();
    eventually("the files are shown", || ask(&api, "GET /meshes/default").0 == 200);

    assert_eq!(json(&api, "/meshes/default/dataplanes")["total"], 2);
    assert_eq!(json(&api, "/config")["apiServer"]["readOnly"], true);
    assert_eq!(ask(&api, "DELETE /meshes/default/dataplanes/web-1").0, 405);
    // a foreign Host header: from elsewhere, as far as the server can tell
    assert_eq!(ask(&api, "GET /meshes\nHost: cp.example:5681").0, 403);

    let proxy = Program::start(meshtcp(["proxy", "--proxy", "web-1", "--control-plane", &xds]));
    proxy.awaits_text(0, "1 listeners opened");
    let overview = "/meshes/default/dataplanes/web-1/_overview";
    eventually("online", || {
        json(&api, overview)["dataplaneInsight"]["subscriptions"].as_array().is_some_and(|it| !it.is_empty())
    });
    let told = json(&api, "/meshes/default/dataplanes/web-1/xds?include_eds=true");
    assert!(told["xds"].as_object().is_some_and(|types| !types.is_empty()), "{told}");

    // a saved file is a revision, which can be followed until it is live
    let route = "---\ntype: MeshTCPRoute\nmesh: default\nname: r\nspec:\n  targetRef: {kind: Mesh}\n  to:\n    - targetRef: {kind: \
                 MeshService, name: db}\n      rules:\n        - default:\n            backendRefs: [{kind: MeshService, name: db, \
                 weight: 7}]\n";
    let before = json(&api, "/_status")["revision"].as_u64().unwrap();
    std::fs::write(&file, mesh + route).unwrap();
    let (status, events) = ask(&api, &format!("GET /_revisions/{}/_events?wait=50", before + 1));
    assert_eq!(status, 200);
    assert!(events.contains("event: live"), "{events}");
    assert_eq!(json(&api, "/meshtcproutes")["total"], 1);
}

/// Ed25519 key that was made for this test.
const KEY: &str = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1DNENBUUF3QlFZREsyVndCQ0lFSURNR0E3Mk1VV2JZOEp2LzZiejFROWtHWkFNUTJLcWV0UHhHOWFHMUJuM0wKLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo=";

#[test]
fn a_proxy_attaches_with_a_token_that_is_for_it_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let meshes = ["default", "other"].map(|mesh| {
        format!(
            "type: Mesh\nname: {mesh}\n---\ntype: Secret\nmesh: {mesh}\nname: dataplane-token-signing-key-{mesh}-1\ndata: {}\n---\n",
            KEY
        )
    });
    let dataplane = "type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  \
                     inbound: [{port: 1, tags: {kuma.io/service: web}}]\n";
    std::fs::write(folder.path().join("mesh.yaml"), meshes.concat() + dataplane).unwrap();
    let fixed =
        ["control-plane", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0", "--dataplane-auth", "token"];
    let control_plane =
        Program::start(meshtcp(fixed.iter().copied().chain([folder.path().to_str().unwrap()])));
    let line = control_plane.awaits_text(0, "discovery: ");
    let xds = line.trim_start_matches("discovery: ").split(',').next().unwrap().to_owned();
    let line = control_plane.awaits_text(0, "api: http://");
    let api = line.trim_start_matches("api: http://").to_owned();
    eventually("the files are shown", || ask(&api, "GET /meshes/default").0 == 200);

    let tokens = tempfile::tempdir().unwrap();
    let token = |name: &str, wanted: &str| {
        let (status, token) = ask(&api, &format!("POST /tokens/dataplane {wanted}"));
        assert_eq!(status, 200, "{token}");
        let file = tokens.path().join(name);
        std::fs::write(&file, token).unwrap();
        file.display().to_string()
    };
    let start = |file: Option<&String>| {
        let mut arguments = vec!["proxy", "--proxy", "web-1", "--control-plane", xds.as_str()];
        if let Some(file) = file {
            arguments.extend(["--token-file", file]);
        }
        Program::start(meshtcp(arguments))
    };
    start(None).awaits_text(0, "no token");
    for (name, wanted, words) in [
        ("mesh", r#"{"mesh":"other","name":"web-1"}"#, "different than in token: other"),
        ("name", r#"{"mesh":"default","name":"web-2"}"#, "different than in token: web-2"),
        ("tag", r#"{"mesh":"default","tags":{"version":["v1"]}}"#, "required by the token"),
        (
            "value",
            r#"{"mesh":"default","tags":{"kuma.io/service":["db"]}}"#,
            "which is not allowed with this token",
        ),
    ] {
        start(Some(&token(name, wanted))).awaits_text(0, words);
    }
    let good = token(
        "good",
        r#"{"mesh":"default","name":"web-1","tags":{"kuma.io/service":["web"]},"validFor":"1h"}"#,
    );
    let proxy = start(Some(&good));
    proxy.awaits_text(0, "connected to the control plane");
    let secret = std::fs::read_to_string(&good).unwrap();
    let said = control_plane.printed() + &proxy.printed();
    assert!(!said.contains(secret.trim()) && !said.contains(KEY), "a secret was printed");
    // the files have no key for user tokens, and none is created
    assert_eq!(ask(&api, r#"POST /tokens/user {"name":"jo","validFor":"1h"}"#).0, 404);
}
