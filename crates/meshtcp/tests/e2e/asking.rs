//! Commands that ask a control plane as users type them, and their messages when it cannot be asked.

use crate::api::ask;
use crate::backend::free_ports;
use crate::certificates::Authority;
use crate::program::{Program, answer, meshtcp};
use crate::store::ControlPlane;

const ROUTE: &str = "type: MeshTCPRoute\nname: moves\nspec:\n  targetRef: {kind: Mesh}\n  to:\n    - targetRef: {kind: \
                     MeshService, name: db}\n      rules:\n        - default: {backendRefs: [{kind: MeshService, name: db}]}\n";

#[test]
fn a_server_may_be_typed_without_its_scheme() {
    let control_plane = ControlPlane::start("memory", &[]);
    let (code, out, err) =
        answer(&mut meshtcp(["get", "meshes", "-o", "name", "--server", &control_plane.api]));
    assert_eq!((code, out.as_str()), (0, "meshes/default\n"), "{err}");
    for none in [
        "localhost",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://a@b:5681",
        "http://a:1/x?y",
        "http:///x",
    ] {
        let (code, _, err) = answer(&mut meshtcp(["get", "meshes", "--server", none]));
        assert!(code == 2 && err.contains("write http://HOST:PORT"), "{none}: {err}");
    }
}

#[test]
fn the_files_of_a_context_are_found_from_any_folder() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("admin.token"), "x").unwrap();
    let config = folder.path().join("config.yaml");
    let from = |place: &tempfile::TempDir, arguments: &[&str]| {
        answer(meshtcp(arguments).env("MESHTCP_CONFIG", &config).current_dir(place.path()))
    };
    let [port] = free_ports();
    let server = format!("127.0.0.1:{port}");
    let (code, _, err) =
        from(&folder, &["config", "set", "a", "--server", &server, "--token-file", "admin.token"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = from(&elsewhere, &["get", "meshes"]);
    assert!(code == 4 && err.contains("is it running?"), "the token was read: {err}");
}

#[test]
fn every_failure_to_connect_has_a_help_of_its_own() {
    let authority = Authority::new();
    let pair = authority.signs("127.0.0.1");
    let tls = ["--api-tls-cert", &pair.certificate, "--api-tls-key", &pair.key];
    let fixed = ["control-plane", "--store", "memory", "--xds", "127.0.0.1:0", "--api", "127.0.0.1:0"];
    let secure = Program::start(meshtcp(fixed.iter().chain(&tls)));
    let line = secure.awaits_text(0, "api: https://");
    let secure_api = line.split_once("https://").unwrap().1;
    let plain = ControlPlane::start("memory", &[]);
    let [nobody] = free_ports();
    for (server, help) in [
        (format!("http://127.0.0.1:{nobody}"), "is it running?".to_owned()),
        (format!("http://{secure_api}"), format!("it speaks TLS there: write https://{secure_api}")),
        (format!("https://{}", plain.api), format!("it speaks no TLS there: write http://{}", plain.api)),
        ("http://nowhere.invalid:1".to_owned(), "is the name right?".to_owned()),
    ] {
        let mut command = meshtcp(["get", "meshes", "--server", &server]);
        let (code, _, err) = answer(command.env("MESHTCP_CA_FILE", authority.file()));
        assert!(code == 4 && err.contains(&help), "{server}: {code}: {err}");
        assert_eq!(err.contains("is it running?"), help == "is it running?", "{err}");
    }
    let status = ["status", "endpoints", "--proxy-admin", &plain.api];
    let (code, _, err) = answer(&mut meshtcp(status));
    assert!(code != 0 && err.contains("does not answer as a proxy"), "{err}");
    let server = format!("http://{}", plain.api);
    let (_, _, err) = answer(&mut meshtcp(["explain", "--from", "web-1", "--server", &server]));
    assert!(err.contains("there is no Dataplane in the control plane"), "{err}");
}

#[test]
fn every_command_that_asks_takes_a_mesh_and_lists_tell_meshes_apart() {
    let control_plane = ControlPlane::start("memory", &[]);
    assert_eq!(ask(&control_plane.api, r#"PUT /meshes/depot {"type": "Mesh", "name": "depot"}"#).0, 201);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (route, web) = (
        path("route.yaml", ROUTE),
        path(
            "web.yaml",
            "type: Dataplane\nname: web-1\nnetworking: {address: 127.0.0.1, outbound: [{port: 7379, tags: {kuma.io/service: db}}]}\n",
        ),
    );
    let server = format!("http://{}", control_plane.api);
    let told = |arguments: &[&str]| answer(meshtcp(arguments).env("MESHTCP_SERVER", &server));
    for mesh in ["default", "depot"] {
        let (code, out, err) = told(&["apply", "-f", &route, "-f", &web, "-m", mesh]);
        assert!(code == 0 && out.contains(&format!("MeshTCPRoute {mesh}/moves created")), "{out}{err}");
    }
    let names = "meshtcproutes/default/moves\nmeshtcproutes/depot/moves\n";
    assert_eq!(told(&["get", "meshtcproutes", "-A", "-o", "name"]).1, names);
    assert_eq!(told(&["get", "meshtcproute", "moves", "-A", "-o", "name"]).1, names, "by name too");
    let (_, table, _) = told(&["get", "meshtcproutes", "-A"]);
    assert!(table.starts_with("MESH ") && table.lines().next().unwrap().ends_with("AGE"), "{table}");
    assert_eq!(told(&["get", "meshtcproutes/depot/moves", "-o", "name"]).1, "meshtcproutes/moves\n");
    assert_eq!(told(&["diff", "-f", &route, "--mesh", "depot"]).0, 0, "nothing differs there");
    let (_, out, err) = told(&[
        "preview",
        "-f",
        &path("next.yaml", &ROUTE.replace("name: db}]", "name: db, weight: 2}]")),
        "--mesh",
        "depot",
    ]);
    assert!(out.contains("depot/moves") && !out.contains("default/moves"), "{out}{err}");
    let (code, out, err) = told(&["explain", "--from", "web-1", "--mesh", "depot"]);
    assert!(code == 0 && out.starts_with("depot/web-1"), "{out}{err}");
    let (_, out, err) = told(&["status", "--mesh", "depot"]);
    assert!(out.contains("depot/web-1") && !out.contains("default/web-1"), "{out}{err}");
    let (code, out, err) = told(&["simulate", "-f", &route, "--mesh", "depot", "--proxy", "web-1"]);
    assert!(code == 0 && !out.contains("default/web-1"), "{out}{err}");
}

#[test]
fn a_resource_is_described_in_words() {
    let control_plane = ControlPlane::start("memory", &[]);
    let server = format!("http://{}", control_plane.api);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mesh.yaml");
    let [port, taken, inbound, other] = free_ports();
    let dataplane = |name: &str, port: u16, inbound: u16| {
        format!(
            "---\ntype: Dataplane\nname: {name}\nnetworking: {{address: 127.0.0.1, inbound: [{{port: {inbound}, tags: {{kuma.io/service: web}}}}], outbound: [{{port: {port}, tags: {{kuma.io/service: db}}}}]}}\n"
        )
    };
    let hidden = ROUTE.replace("name: moves", "name: zz-hidden");
    std::fs::write(
        &file,
        format!(
            "{ROUTE}---\n{hidden}{}{}",
            dataplane("web-1", port, inbound),
            dataplane("web-2", taken, other)
        ),
    )
    .unwrap();
    let told = |arguments: &[&str]| answer(meshtcp(arguments).env("MESHTCP_SERVER", &server));
    let (code, out, err) = told(&["apply", "-f", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{err}");
    let _somebody = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let proxy = |name: &str| {
        Program::start(meshtcp(["proxy", "--proxy", name, "--control-plane", &control_plane.xds]))
    };
    let (_web_1, _web_2) = (proxy("web-1"), proxy("web-2"));
    let describe = |kind: &str, name: &str, parts: &[&str]| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(15);
        loop {
            let (_, out, err) = told(&["describe", kind, name]);
            let Some(missing) = parts.iter().find(|part| !out.contains(**part)) else { break };
            assert!(std::time::Instant::now() < deadline, "`{missing}` is not in\n{out}{err}");
        }
    };
    describe(
        "mtcpr",
        "moves",
        &[
            "MeshTCPRoute default/moves\n  says     db → db\n",
            "s ago)",
            "1 live, 1 refused, of 2 that it selects",
            "default/web-1  live: decides outbound:127.0.0.1:",
            "default/web-2  refuses it, and runs what it had:",
            "in use",
            "as it is stored\ntype: MeshTCPRoute",
        ],
    );
    describe(
        "mtcpr",
        "zz-hidden",
        &["2 without effect", "default/web-1, default/web-2  hidden by MeshTCPRoute", "moves"],
    );
    describe(
        "dataplane",
        "web-1",
        &[
            "proxy    in sync; attached since 2",
            "ago): meshtcp-proxy",
            "brought its last change, and it runs it",
        ],
    );
    describe("dataplane", "web-2", &["refuses a part of what it is told", "  refuses  outbound:127.0.0.1:"]);
    describe("mesh", "default", &["Mesh default\n  created  2"]);
}

#[test]
fn what_is_mistyped_is_told_with_what_to_write() {
    let control_plane = ControlPlane::start("memory", &[]);
    let server = format!("http://{}", control_plane.api);
    let route = "/meshes/default/meshtcproutes/blue-green";
    let document = r#"{"type": "MeshTCPRoute", "mesh": "default", "name": "blue-green", "spec": {"to": [{"targetRef": {"kind": "MeshService", "name": "a"}, "rules": [{"default": {"backendRefs": [{"kind": "MeshService", "name": "a"}]}}]}]}}"#;
    let (status, said) = ask(&control_plane.api, &format!("PUT {route} {document}"));
    assert_eq!(status, 201, "{said}");
    for (arguments, told) in [
        (&["up", ".", "--admin", ":9901"][..], "127.0.0.1:9901 for this host only"),
        (&["proxy", "--proxy", "web-1", "--admin", "9901"], "127.0.0.1:9901"),
        (&["control-plane", "--xds", "host:5678"], "`host` is a name: write the IP address"),
        (&["up", ".", "--workers", "0"], "a whole number from 1"),
        (&["explain", "connection", "abc", "--log", "x"], "the number of a connection"),
        (&["logs", "x", "--tail", "-1"], "how many of the last lines"),
        (&["get", "dpp"], "did you mean `dp`, dataplanes?"),
        (&["get", "mtcpr", "blue-gren"], "did you mean `blue-green`?"),
        (&["delete", "mtcpr", "blue-gren"], "did you mean `blue-green`?"),
        (&["describe", "mtcpr", "blue-gren"], "did you mean `blue-green`?"),
    ] {
        let (code, _, err) = answer(meshtcp(arguments).env("MESHTCP_SERVER", &server));
        assert!(code != 0 && err.contains(told), "{arguments:?}: {code}: {err}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mesh.yaml"), "type: Mesh\nname: default\n").unwrap();
    let (_, out, err) = answer(meshtcp(["validate", "--profile", "2.14.3"]).arg(folder.path()));
    assert_eq!(out, "1 resource in 1 file: all good\n", "{err}");
}
