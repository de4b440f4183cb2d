//! Rules for some connections as data planes carry them: by server name, port, source and identity.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::ControlPlane;
use super::envoy::{Envoy, Protocol};
use super::ours::Ours;
use crate::backend::{free_ports, serve};
use crate::hello::client_hello;
use crate::program::{PATIENCE, Up, eventually};

const NAMES: [&str; 5] = ["ledger", "named", "ported", "near", "known"];

/// Mesh with mTLS whose `web-1` dials `ledger` at two ports, with destinations outside the mesh. `{…}` are ports.
const MESH: &str = "
type: Mesh
name: default
mtls: { enabledBackend: ca, backends: [{ name: ca, type: builtin }] }
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound: [{ port: {web}, tags: { kuma.io/service: web } }]
  outbound:
    - { port: {first}, address: 127.0.0.1, tags: { kuma.io/service: ledger } }
    - { port: {second}, address: 127.0.0.1, tags: { kuma.io/service: ledger } }
";

const ROUTE: &str = "
type: MeshTCPRoute
mesh: default
name: some
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: MeshService, name: ledger }
      rules:
";

/// Ports at which `web-1` dials `ledger`.
struct Ports {
    first: u16,
    second: u16,
}

/// Writes the mesh into a folder, and starts its destinations.
fn laid(folder: &Path) -> Ports {
    let [web, first, second, rest @ ..]: [u16; 8] = free_ports();
    let mut text = MESH.to_owned();
    for (name, port) in [("web", web), ("first", first), ("second", second)] {
        text = text.replace(&format!("{{{name}}}"), &port.to_string());
    }
    for (name, port) in NAMES.iter().zip(rest) {
        serve(port, name);
        text += &format!(
            "---\ntype: ExternalService\nmesh: default\nname: {name}\ntags: {{ kuma.io/service: {name}, kuma.io/protocol: tcp }}\n\
             networking: {{ address: \"127.0.0.1:{port}\" }}\n"
        );
    }
    std::fs::write(folder.join("mesh.yaml"), text).unwrap();
    Ports { first, second }
}

/// Saves rules, each with its match and the destination of matching connections.
fn save(folder: &Path, rules: &[(&str, &str)]) {
    let rule = |(fits, to): &(&str, &str)| {
        format!(
            "        - {{ matches: [{{ {fits} }}], default: {{ backendRefs: [{{ kind: MeshService, name: {to} }}] }} }}\n"
        )
    };
    let text = format!("{ROUTE}{}", rules.iter().map(rule).collect::<String>());
    let beside = folder.join(".route.tmp");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, folder.join("route.yaml")).unwrap();
}

/// Name of the backend that greets a client from this address that sends `says`, which may be empty; `-`: none.
fn reached(from: [u8; 4], port: u16, says: &[u8]) -> String {
    let dial = || {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
        bind(&socket, &SocketAddr::from((Ipv4Addr::from(from), 0))).ok()?;
        connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
        let mut client = TcpStream::from(socket);
        client.set_read_timeout(Some(PATIENCE)).ok()?;
        client.write_all(says).ok()?;
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).ok()?;
        (!line.is_empty()).then(|| line.trim_end().to_owned())
    };
    dial().unwrap_or_else(|| "-".to_owned())
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const NEAR: [u8; 4] = [127, 5, 0, 1];
const WEB: &str = "spiffe://default/web";

/// Checks every match, alone and beside others: the most exact one decides, whatever its position.
fn all_matches(folder: &Path, ports: &Ports) {
    let Ports { first, second } = *ports;
    let (name, none) = (client_hello("db.example.com"), &b"PING\r\n"[..]);
    let settles = |what: &str, rules: &[(&str, &str)], reaches: &[([u8; 4], u16, &[u8], &str)]| {
        save(folder, rules);
        // until then the previous rules are in force
        let mut seen = Vec::new();
        for look in 0.. {
            seen = reaches.iter().map(|(from, port, says, _)| reached(*from, *port, says)).collect();
            if seen.iter().zip(reaches).all(|(seen, (.., wanted))| seen == wanted) {
                break;
            }
            assert!(
                look < 600,
                "{what}: {seen:?} instead of {:?}",
                reaches.iter().map(|it| it.3).collect::<Vec<_>>()
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        // and the result stays the same
        let again: Vec<String> =
            reaches.iter().map(|(from, port, says, _)| reached(*from, *port, says)).collect();
        assert_eq!(again, seen, "{what}");
    };
    settles(
        "a port",
        &[(&format!("destinationPort: {second}"), "ported")],
        &[(HERE, first, none, "ledger"), (HERE, second, none, "ported")],
    );
    settles(
        "a source",
        &[("sourceCIDR: 127.5.0.0/16", "near")],
        &[(HERE, first, none, "ledger"), (NEAR, first, none, "near"), (NEAR, second, &name, "near")],
    );
    settles(
        "a server name",
        &[("serverName: \"*.example.com\"", "named")],
        &[(HERE, first, none, "ledger"), (HERE, first, &name, "named"), (HERE, second, &name, "named")],
    );
    settles(
        "identities",
        &[
            ("spiffeID: { type: Exact, value: spiffe://default/other }", "named"),
            (&format!("spiffeID: {{ type: Exact, value: {WEB} }}"), "known"),
        ],
        &[(HERE, first, none, "known"), (NEAR, second, none, "known")],
    );
    settles(
        "all of them",
        &[
            (&format!("spiffeID: {{ type: Prefix, value: {WEB} }}"), "known"),
            ("sourceCIDR: 127.5.0.0/16", "near"),
            (&format!("destinationPort: {second}"), "ported"),
            ("serverName: db.example.com", "named"),
        ],
        &[
            (HERE, first, none, "known"),
            (NEAR, first, none, "near"),
            (NEAR, second, none, "ported"),
            (NEAR, second, &name, "named"),
        ],
    );
}

const PROFILE: [&str; 2] = ["--profile", "2.14+"];

#[test]
fn our_own_proxy_matches_what_a_control_plane_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let ports = laid(folder.path());
    let control_plane = ControlPlane::start_in(
        folder.path().to_str().unwrap(),
        &[&PROFILE[..], &["--xds", "127.0.0.1:0"]].concat(),
    );
    let _proxy = Ours::start("web-1", &control_plane);
    control_plane.is_in_sync("web-1");
    all_matches(folder.path(), &ports);
}

#[test]
fn envoy_matches_alike_and_a_note_says_where_it_waits() {
    let folder = tempfile::tempdir().unwrap();
    let ports = laid(folder.path());
    let control_plane = ControlPlane::start_in(
        folder.path().to_str().unwrap(),
        &[&PROFILE[..], &["--xds", "127.0.0.1:0"]].concat(),
    );
    let envoy = Envoy::start("web-1", &control_plane, Protocol::Delta);
    control_plane.is_in_sync("web-1");
    let mark = control_plane.program.mark();
    all_matches(folder.path(), &ports);
    control_plane.program.awaits_text(mark, "a match by source alone waits for the client hello as well");
    assert_eq!(envoy.stat("update_rejected"), 0, "{}", envoy.log());
}

#[test]
fn up_matches_what_its_files_say() {
    let folder = tempfile::tempdir().unwrap();
    let ports = laid(folder.path());
    let up = Up::start(&[&[folder.path().to_str().unwrap()], &PROFILE[..]].concat());
    up.is_ready();
    eventually("connections are carried", || reached(HERE, ports.first, b"PING\r\n") == "ledger");
    all_matches(folder.path(), &ports);
}
