//! Permissions on the host of a control plane, and Host headers that are accepted.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use crate::api::{ask, exchange};
use crate::program::{Program, Up, answer, eventually, meshtcp};
use crate::town::Town;

const SECRET: &str = "GET /global-secrets/admin-user-token";
const MESH: &str = r#"{"type":"Mesh","name":"shop"}"#;

/// Control plane with default settings.
pub(crate) struct ControlPlane {
    program: Program,
    api: String,
    socket: PathBuf,
}

impl ControlPlane {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", more)
    }

    fn start_at(api: &str, more: &[&str]) -> Self {
        let fixed = ["control-plane", "--store", "memory", "--api", api, "--xds", "127.0.0.1:0"];
        let mut command = meshtcp(fixed.iter().chain(more));
        command.env_remove("MESHTCP_API_LOCALHOST");
        let program = Program::start(command);
        let line = program.awaits_text(0, "api: http://");
        let api = line.trim_start_matches("api: http://").to_owned();
        let line = program.awaits_text(0, "api for commands of this user: ");
        let socket = line.split_once("unix:").unwrap().1.into();
        let it = Self { program, api, socket };
        eventually("the first token", || it.command(&["get", "globalsecret", "admin-user-token"]).0 == 0);
        it
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> (i32, String) {
        let server = format!("http://{}", self.api);
        let (code, out, err) = answer(meshtcp(arguments).env("MESHTCP_SERVER", server));
        (code, out + &err)
    }
}

#[test]
fn commands_of_the_same_user_need_no_token_and_connections_prove_nothing() {
    let control_plane = ControlPlane::start(&[]);
    let api = &control_plane.api;
    assert_eq!(ask(api, "GET /meshes").0, 200);
    for request in
        [SECRET, &format!("PUT /meshes/shop {MESH}"), "POST /tokens/user {}", "DELETE /meshes/default"]
    {
        let (status, why) = ask(api, request);
        assert!(
            status == 403 && why.contains(control_plane.socket.to_str().unwrap()),
            "{request}: {status} {why}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mesh.json");
    std::fs::write(&file, MESH).unwrap();
    let (code, said) = control_plane.command(&["apply", "-f", file.to_str().unwrap()]);
    assert!(code == 0 && said.contains("Mesh shop created"), "{said}");
    let (code, said) = control_plane.command(&["get", "globalsecret", "admin-user-token", "-o", "json"]);
    assert!(code == 0 && said.contains("\"data\""), "{said}");
    let named = format!("unix:{}", control_plane.socket.display());
    let (code, said) = control_plane.command(&["delete", "Mesh", "shop", "--server", &named]);
    assert_eq!(code, 0, "{said}");
    let curl = Command::new("curl")
        .args(["-s", "-X", "PUT", "-d", MESH, "-H", "content-type: application/json", "--unix-socket"])
        .arg(&control_plane.socket)
        .arg("http://localhost/meshes/shop")
        .output();
    assert_eq!(String::from_utf8_lossy(&curl.unwrap().stdout).trim(), "{}");
}

#[test]
fn what_a_connection_is_worth_is_for_the_operator_to_say_and_more_than_reading_is_warned_about() {
    const WARNING: &str = "warning: whoever reaches the API over a loopback address";
    for (more, statuses, warns) in [
        (vec![], [200, 403], false),
        (vec!["--api-localhost", "nobody"], [403, 403], false),
        (vec!["--api-localhost", "admin"], [200, 200], true),
        // clients that take us for Kuma rely on it
        (vec!["--api-product", "Kuma", "--api-version", "2.14.3"], [200, 200], true),
        (vec!["--api-product", "Kuma", "--api-localhost", "reader"], [200, 403], false),
    ] {
        let control_plane = ControlPlane::start(&more);
        assert_eq!(
            ["GET /meshes", SECRET].map(|request| ask(&control_plane.api, request).0),
            statuses,
            "{more:?}"
        );
        assert_eq!(control_plane.program.printed().contains(WARNING), warns, "{more:?}");
        assert_eq!(control_plane.command(&["get", "globalsecrets"]).0, 0, "{more:?}");
    }
}

#[test]
fn an_inbound_of_ours_that_leads_to_the_api_leads_to_no_rights() {
    let control_plane = ControlPlane::start(&[]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (_, api_port) = control_plane.api.rsplit_once(':').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mesh = format!(
        "type: Mesh\nname: default\n---\ntype: Dataplane\nmesh: default\nname: api-1\nnetworking:\n  address: 127.0.0.1\n  \
         inbound: [{{port: {port}, servicePort: {api_port}, tags: {{kuma.io/service: api}}}}]\n"
    );
    std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
    let up = Up::start(&[folder.path().to_str().unwrap()]);
    up.is_ready();
    let inbound = format!("127.0.0.1:{port}");
    assert_eq!(ask(&inbound, "GET /").0, 200);
    assert_eq!(ask(&inbound, SECRET).0, 403);
    assert_eq!(ask(&inbound, &format!("PUT /meshes/shop {MESH}")).0, 403);
}

#[test]
fn a_socket_that_a_control_plane_left_behind_is_taken_over_by_the_next() {
    let first = ControlPlane::start(&[]);
    let (api, socket) = (first.api.clone(), first.socket.clone());
    // by a kill
    drop(first);
    assert!(socket.exists());
    let next = ControlPlane::start_at(&api, &[]);
    assert_eq!(next.socket, socket);
    assert_eq!(next.command(&["get", "globalsecrets"]).0, 0);
    next.program.signal(rustix::process::Signal::TERM);
    eventually("it takes its socket with it", || !socket.exists());
}

#[test]
fn another_user_is_not_served_at_the_socket() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("rights-").tempdir_in("/tmp").unwrap();
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder.path(), 0o755);
    let fixed = ["control-plane", "--store", "memory", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"];
    let mut command = meshtcp(fixed);
    command.env("MESHTCP_RUNTIME_DIR", folder.path().join("run"));
    let program = Program::start(command);
    let line = program.awaits_text(0, "api for commands of this user: ");
    let socket = line.split_once("unix:").unwrap().1.to_owned();
    // whatever the modes of the files become
    open(&folder.path().join("run"), 0o755);
    open(socket.as_ref(), 0o666);
    let as_user = |user: &str| {
        let output = Command::new("setpriv")
            .args([
                "--reuid",
                user,
                "--regid",
                user,
                "--clear-groups",
                "curl",
                "-s",
                "--unix-socket",
                &socket,
            ])
            .arg("http://localhost/who-am-i")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(as_user("65534"), "");
    assert!(as_user("0").contains("mesh-system:admin"));
    program.awaits_text(0, "another user asked");
}

#[test]
fn pages_are_answered_under_names_of_this_host_only() {
    let town = Town::new();
    let up = Up::start(&["--host-name", "up.internal", &town.path()]);
    let fixed = ["control-plane", "--store", "memory", "--api", "127.0.0.1:0", "--xds", "127.0.0.1:0"];
    let admin = ["--admin", "127.0.0.1:0"];
    let control_plane = Program::start(meshtcp(fixed.iter().chain(&admin)));
    let away = ["proxy", "--proxy", "web-1", "--control-plane", "127.0.0.1:1"];
    let proxy = Program::start(meshtcp(away.iter().chain(&admin)));
    let admin_of = |program: &Program| {
        program.awaits_text(0, "admin: http://").trim_start_matches("admin: http://").to_owned()
    };
    for (admin, page) in [
        (up.admin.clone(), "/connections"),
        (up.admin.clone(), "/metrics"),
        (admin_of(&control_plane), "/status"),
        (admin_of(&proxy), "/connections"),
    ] {
        let status = |headers: &str| ask(&admin, &format!("GET {page}\n{headers}")).0;
        for good in [&format!("Host: {admin}"), "Host: localhost:9901", "Host: 10.0.0.1", "X-Nothing: here"] {
            assert_eq!(status(good), 200, "{page} {good}");
        }
        for bad in [
            "Host: evil.example",
            "Host: evil.example:9901",
            "Host: localhost\r\nOrigin: http://evil.example",
        ] {
            assert_eq!(status(bad), 403, "{page} {bad}");
        }
    }
    assert_eq!(ask(&up.admin, "GET /ready\nHost: up.internal:9901").0, 200);
    let refusal = exchange(&up.admin, "GET /connections\nHost: proxy.internal");
    assert!(refusal.contains("--host-name proxy.internal"), "{refusal}");
}
