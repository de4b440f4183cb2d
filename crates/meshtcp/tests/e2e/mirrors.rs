//! Mirrors as users run them: data from clients reaches both destinations byte for byte, and no mirror affects a
//! client.

use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::attach::envoy::{Envoy, Protocol};
use crate::backend::free_ports;
use crate::program::{PATIENCE, Program, Up, ask, eventually, meshtcp};

/// Mesh in which `web-1` dials `ledger` and `plain`, which are one backend; data to `ledger` is copied to `shadow`.
/// `{…}` are ports.
const MESH: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound: [{ port: {web}, tags: { kuma.io/service: web } }]
  outbound:
    - { port: {mirrored}, address: 127.0.0.1, tags: { kuma.io/service: ledger } }
    - { port: {alone}, address: 127.0.0.1, tags: { kuma.io/service: plain } }
---
type: MeshTCPMirror
mesh: default
name: try
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: MeshService, name: ledger }
      default: { backendRef: { kind: MeshService, name: shadow }, buffer: {buffer} }
";

/// Number of bytes that a reader received, and their checksum.
type Sum = (u64, u64);

/// Ports at which `web-1` dials the mirrored service and the plain one.
struct Ports {
    mirrored: u16,
    alone: u16,
}

/// Writes the mesh into a folder, with the backend and the receiver of copies.
fn laid(folder: &Path, first: u16, shadow: u16, buffer: &str) -> Ports {
    let [web, mirrored, alone] = free_ports();
    let mut text = MESH.replace("{buffer}", buffer);
    for (name, port) in [("web", web), ("mirrored", mirrored), ("alone", alone)] {
        text = text.replace(&format!("{{{name}}}"), &port.to_string());
    }
    for (name, port) in [("ledger", first), ("plain", first), ("shadow", shadow)] {
        text += &format!(
            "---\ntype: ExternalService\nmesh: default\nname: {name}\ntags: {{ kuma.io/service: {name}, kuma.io/protocol: tcp }}\n\
             networking: {{ address: \"127.0.0.1:{port}\" }}\n"
        );
    }
    std::fs::write(folder.join("mesh.yaml"), text).unwrap();
    Ports { mirrored, alone }
}

fn served(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(connection));
        }
    });
    port
}

/// Backend that reads to the end, confirms with one byte, and reports what it read.
fn summing() -> (u16, Receiver<Sum>) {
    let (tell, told) = channel();
    let port = served(move |mut stream| {
        let (mut chunk, mut sum, mut bytes) = (vec![0; 64 << 10], DefaultHasher::new(), 0);
        while let Ok(read @ 1..) = stream.read(&mut chunk) {
            chunk[..read].iter().for_each(|byte| sum.write_u8(*byte));
            bytes += read as u64;
        }
        let _ = stream.write_all(b".");
        let _ = tell.send((bytes, sum.finish()));
    });
    (port, told)
}

/// Echoes until the client has finished.
fn echo(mut stream: TcpStream) {
    let mut back = stream.try_clone().unwrap();
    let _ = std::io::copy(&mut stream, &mut back);
    let _ = stream.shutdown(Shutdown::Write);
}

/// Sends varying bytes in pieces of a size; waits until they have arrived.
fn send(port: u16, total: usize, piece: usize) -> Sum {
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut state, mut sum, mut chunk, mut sent) = (1_u64, DefaultHasher::new(), vec![0; piece], 0);
    while sent < total {
        let size = piece.min(total - sent);
        for byte in &mut chunk[..size] {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
            sum.write_u8(*byte);
        }
        client.write_all(&chunk[..size]).unwrap();
        sent += size;
    }
    client.shutdown(Shutdown::Write).unwrap();
    client.read_exact(&mut [0]).unwrap();
    (total as u64, sum.finish())
}

/// Value of the counter of mirrors that ended in this way.
fn ended(admin: &str, how: &str) -> u64 {
    let (_, page) = ask(admin, "/metrics");
    let wanted = format!("ended=\"{how}\"");
    let lines = page
        .lines()
        .filter(|line| line.starts_with("meshtcp_mirror_connections_ended_total{") && line.contains(&wanted));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Data plane that carries `web-1`; dropping it ends it.
struct Carried {
    admin: String,
    _programs: Vec<Program>,
}

impl Carried {
    fn by_up(folder: &Path) -> Self {
        let up = Up::start(&[folder.to_str().unwrap()]);
        up.is_ready();
        let Up { program, admin } = up;
        Self { admin, _programs: vec![program] }
    }

    fn by_a_control_plane(folder: &Path) -> Self {
        let (control_plane, xds) = control_plane(folder);
        let arguments = ["--control-plane", &xds, "--admin", "127.0.0.1:0", "--workers", "2"];
        let proxy = Program::start(meshtcp(["proxy", "--proxy", "web-1"].iter().chain(&arguments)));
        let line = proxy.awaits_text(0, "admin: http://");
        let admin = line.trim_start_matches("admin: http://").to_owned();
        eventually("the proxy is ready", || ask(&admin, "/ready").0 == 200);
        Self { admin, _programs: vec![control_plane, proxy] }
    }
}

fn control_plane(folder: &Path) -> (Program, String) {
    let program = Program::start(meshtcp([
        "control-plane",
        folder.to_str().unwrap(),
        "--xds",
        "127.0.0.1:0",
        "--api",
        "127.0.0.1:0",
    ]));
    let line = program.awaits_text(0, "discovery: ");
    let xds = line.trim_start_matches("discovery: ").split([',', ' ']).next().unwrap().to_owned();
    (program, xds)
}

/// Sends large pieces, which the relay splices, and small ones, which it copies.
fn both_get_every_byte(carried: impl FnOnce(&Path) -> Carried) {
    let folder = tempfile::tempdir().unwrap();
    let ((first, firsts), (shadow, shadows)) = (summing(), summing());
    // the test is about the data that arrives: scheduling must not make the mirror too slow
    let ports = laid(folder.path(), first, shadow, "64Mi");
    let carried = carried(folder.path());
    for (total, piece) in [(64 << 20, 1 << 20), (2 << 20, 700)] {
        let sent = send(ports.mirrored, total, piece);
        assert_eq!(firsts.recv_timeout(PATIENCE).unwrap(), sent);
        assert_eq!(shadows.recv_timeout(PATIENCE).unwrap(), sent, "in pieces of {piece}");
    }
    eventually("both mirrors ended in order", || ended(&carried.admin, "finished") == 2);
    let alone = send(ports.alone, 1 << 20, 4096);
    assert_eq!(firsts.recv_timeout(PATIENCE).unwrap(), alone);
    assert!(shadows.try_recv().is_err(), "what is not mirrored is not");
}

#[test]
fn sixty_four_mebibytes_reach_both_through_up() {
    both_get_every_byte(Carried::by_up);
}

#[test]
fn sixty_four_mebibytes_reach_both_through_a_proxy_of_a_control_plane() {
    both_get_every_byte(Carried::by_a_control_plane);
}

/// 99th percentile of `trips` round trips of 4 KiB at each of two ports, over one connection each, in turns.
fn p99(ports: [u16; 2], trips: usize) -> [Duration; 2] {
    let mut clients = ports.map(|port| {
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_nodelay(true).unwrap();
        client
    });
    let (sent, mut back) = ([7; 4096], [0; 4096]);
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..trips {
        for (client, took) in clients.iter_mut().zip(&mut took) {
            let begun = Instant::now();
            client.write_all(&sent).unwrap();
            client.read_exact(&mut back).unwrap();
            took.push(begun.elapsed());
            assert_eq!(back, sent);
        }
    }
    took.map(|mut took| {
        took.sort_unstable();
        took[took.len() * 99 / 100]
    })
}

#[test]
fn a_mirror_that_hangs_is_not_felt() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = served(|stream| {
        std::thread::sleep(PATIENCE);
        drop(stream);
    });
    let ports = laid(folder.path(), served(echo), hanging, "16Mi");
    let carried = Carried::by_up(folder.path());
    // the 8 MiB that are copied meanwhile are not read
    let [with, without] = p99([ports.mirrored, ports.alone], 2_000);
    println!("99 of 100 within {with:?} beside a mirror that hangs, {without:?} without one");
    assert!(with < without * 3 + Duration::from_millis(20), "{with:?} instead of {without:?}");
    // a mirror with a smaller buffer is dropped, without effect on the client either
    let sent = 64 << 20;
    let (client, mut back) = (TcpStream::connect(("127.0.0.1", ports.mirrored)).unwrap(), vec![0; 1 << 20]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let chunk = vec![3; 1 << 20];
            (0..sent >> 20).for_each(|_| (&client).write_all(&chunk).unwrap());
        });
        for _ in 0..sent >> 20 {
            (&client).read_exact(&mut back).unwrap();
            assert!(back.iter().all(|byte| *byte == 3));
        }
    });
    eventually("it is counted", || ended(&carried.admin, "slow") == 1);
}

#[test]
fn a_mirror_that_refuses_is_not_felt_and_envoy_says_that_it_copies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [nobody] = free_ports();
    let ports = laid(folder.path(), served(echo), nobody, "1Mi");
    let carried = Carried::by_a_control_plane(folder.path());
    p99([ports.mirrored, ports.alone], 50);
    eventually("it is counted", || ended(&carried.admin, "refused") == 1);
    drop(carried);

    let (control_plane, xds) = control_plane(folder.path());
    let envoy = Envoy::start_at("web-1", &xds, Protocol::Delta);
    control_plane
        .awaits_text(0, "Envoy cannot mirror TCP connections: nothing is copied to MeshService shadow");
    eventually("Envoy listens", || TcpStream::connect(("127.0.0.1", ports.mirrored)).is_ok());
    p99([ports.mirrored, ports.alone], 50);
    assert_eq!(envoy.stat("update_rejected"), 0, "{}", envoy.log());
}
