//! Mirrors get the bytes that clients send, and have no effect on the connections that they copy.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../tls/tests/support/authority.rs"]
mod authority;
mod support;
#[path = "support/wire.rs"]
mod wire;

use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use ::l4::counts::MirrorsSnapshot;
use ::l4::ending::MirrorEnd;
use authority::Authority;
use meshtcp_proxy::Proxy;
use support::{
    Mesh, PATIENCE, Server, Unanswering, counters, dial, echo, free_address, proxy, reset, wait_until,
};
use xds::proto::l4;

/// Limit on bytes that wait for the mirrors of these tests.
const BUFFER: u32 = 64 << 10;

/// Listener whose connections go to one server, with a copy to another.
fn mesh(at: SocketAddr, to: SocketAddr, copies_to: SocketAddr, of_10_000: u32) -> Mesh {
    let mut mesh = Mesh::new(at).backend("redis", 1, &[to]);
    let mirror = Mesh::new(at).backend("mirror", 1, &[copies_to]);
    mesh.clusters.extend(mirror.clusters);
    mesh.listener.mirror = Some(l4::Mirror {
        reference: "MeshService mirror".into(),
        cluster: "mirror".into(),
        unavailable: String::new(),
        of_10_000,
        buffer: BUFFER,
        origin: None,
    });
    mesh
}

fn mirrored(to: SocketAddr, copies_to: SocketAddr) -> (Proxy, SocketAddr) {
    let at = free_address();
    (proxy(&mesh(at, to, copies_to, 10_000)), at)
}

fn mirrors(proxy: &Proxy) -> MirrorsSnapshot {
    counters(proxy).mirrors.expect("the listener has a mirror")
}

fn ended(proxy: &Proxy, end: MirrorEnd) -> u64 {
    mirrors(proxy).ended.get(&end).copied().unwrap_or(0)
}

/// Starts a server that reads to the end, and reports the number and the sum of the bytes.
fn counting() -> (Server, Receiver<(u64, u64)>) {
    let (tell, sums) = mpsc::channel();
    let server = Server::start(move |mut stream: TcpStream| {
        let (mut chunk, mut sum, mut bytes) = (vec![0; 64 << 10], DefaultHasher::new(), 0);
        // an answer that is not read
        let _ = stream.write_all(b"+OK\r\n");
        while let Ok(read @ 1..) = stream.read(&mut chunk) {
            for byte in &chunk[..read] {
                sum.write_u8(*byte);
            }
            bytes += read as u64;
        }
        let _ = tell.send((bytes, sum.finish()));
        let _ = stream.shutdown(Shutdown::Write);
    });
    (server, sums)
}

/// Sends varying bytes, in pieces of a size; returns their number and sum.
fn send(mut to: &TcpStream, total: usize, piece: usize) -> (u64, u64) {
    let (mut state, mut sum, mut chunk, mut sent) = (1u64, DefaultHasher::new(), vec![0; piece], 0);
    while sent < total {
        let size = piece.min(total - sent);
        for byte in &mut chunk[..size] {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
            sum.write_u8(*byte);
        }
        to.write_all(&chunk[..size]).unwrap();
        sent += size;
    }
    (total as u64, sum.finish())
}

#[test]
fn sixty_four_mebibytes_reach_both_spliced_and_copied() {
    for (total, piece) in [(64 << 20, 1 << 20), (64 << 20, 100_003), (3 << 20, 700)] {
        let ((first, firsts), (second, seconds)) = (counting(), counting());
        let at = free_address();
        let mut mesh = mesh(at, first.address, second.address, 10_000);
        // this test is about what arrives: no scheduler may make the mirror too slow
        mesh.listener.mirror.as_mut().unwrap().buffer = 64 << 20;
        let proxy = proxy(&mesh);
        let client = dial(at);
        let wanted = send(&client, total, piece);
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        (&client).read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"+OK\r\n", "the client hears the first only");
        assert_eq!(firsts.recv_timeout(PATIENCE).unwrap(), wanted);
        assert_eq!(seconds.recv_timeout(PATIENCE).unwrap(), wanted, "pieces of {piece}");
        wait_until("the mirror has ended", || ended(&proxy, MirrorEnd::Finished) == 1);
        assert_eq!((mirrors(&proxy).active, mirrors(&proxy).bytes), (0, wanted.0));
    }
}

/// Asserts that, whatever the mirror does, a client of an echo server gets back what it sent, and both ends in
/// order.
fn unchanged(at: SocketAddr, most: usize) {
    let mut client = dial(at);
    for size in [1, 1_000, 300_000, 5, most] {
        let bytes: Vec<u8> = (0..size).map(|at| (at >> 3) as u8 ^ at as u8).collect();
        let mut back = vec![0; size];
        let mut sender = client.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&bytes).unwrap());
            client.read_exact(&mut back).unwrap();
        });
        assert!(back == bytes, "{size} bytes came back otherwise");
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the end comes back, too");
}

#[test]
fn a_mirror_that_hangs_is_dropped_and_not_felt() {
    let first = Server::start(echo);
    let hanging = Server::start(|stream| {
        thread::sleep(PATIENCE);
        drop(stream);
    });
    let (proxy, at) = mirrored(first.address, hanging.address);
    // more than all sockets on the way hold
    unchanged(at, 32 << 20);
    wait_until("it is counted", || ended(&proxy, MirrorEnd::Slow) == 1);
    assert_eq!(mirrors(&proxy).active, 0);
}

#[test]
fn a_mirror_that_refuses_or_does_not_answer_is_counted_and_not_waited_for() {
    let first = Server::start(echo);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (proxy, at) = mirrored(first.address, nobody);
    unchanged(at, 2 << 20);
    wait_until("it is counted", || ended(&proxy, MirrorEnd::Refused) == 1);
    let silent = Unanswering::new();
    let at = free_address();
    let mut mesh = mesh(at, first.address, silent.address, 10_000);
    mesh.clusters[1].0.connect_timeout_ms = 200;
    let proxy = support::proxy(&mesh);
    let begun = Instant::now();
    let mut client = dial(at);
    client.write_all(b"ping").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    wait_until("it is counted", || ended(&proxy, MirrorEnd::Timeout) == 1);
    client.write_all(b"pong").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
}

#[test]
fn a_mirror_that_resets_or_ends_is_not_felt() {
    let first = Server::start(echo);
    let resetting = Server::start(|mut stream| {
        let _ = stream.read(&mut [0; 10]);
        reset(stream);
    });
    let (proxy, at) = mirrored(first.address, resetting.address);
    unchanged(at, 2 << 20);
    wait_until("it is counted", || ended(&proxy, MirrorEnd::Reset) + ended(&proxy, MirrorEnd::Slow) == 1);
    // one that ends its own direction still gets bytes
    let (tell, told) = mpsc::channel();
    let half = Server::start(move |mut stream: TcpStream| {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let _ = tell.send(all);
    });
    let (proxy, at) = mirrored(first.address, half.address);
    let mut client = dial(at);
    client.write_all(b"one").unwrap();
    client.read_exact(&mut [0; 3]).unwrap();
    client.write_all(b"two").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"two");
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"onetwo");
    wait_until("it has ended in order", || ended(&proxy, MirrorEnd::Finished) == 1);
}

#[test]
fn a_slow_mirror_gets_everything_as_long_as_its_buffer_holds() {
    let first = Server::start(echo);
    let (tell, told) = mpsc::channel();
    let slow = Server::start(move |mut stream: TcpStream| {
        let (mut all, mut chunk) = (Vec::new(), [0; 1_000]);
        while let Ok(read @ 1..) = stream.read(&mut chunk) {
            all.extend_from_slice(&chunk[..read]);
            thread::sleep(Duration::from_millis(1));
        }
        let _ = tell.send(all);
    });
    let (proxy, at) = mirrored(first.address, slow.address);
    let mut client = dial(at);
    let bytes: Vec<u8> = (0..200_000u32).map(|at| (at >> 2) as u8).collect();
    for chunk in bytes.chunks(20_000) {
        client.write_all(chunk).unwrap();
        client.read_exact(&mut vec![0; chunk.len()]).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    drop(client);
    assert!(told.recv_timeout(PATIENCE).unwrap() == bytes, "what waited when the client left arrives");
    wait_until("it has ended", || ended(&proxy, MirrorEnd::Finished) == 1);
}

#[test]
fn a_client_that_resets_resets_its_mirror() {
    let first = Server::start(echo);
    let (tell, told) = mpsc::channel();
    let second = Server::start(move |stream: TcpStream| {
        let _ = tell.send(support::read_until_reset(&stream));
    });
    let (proxy, at) = mirrored(first.address, second.address);
    let mut client = dial(at);
    client.write_all(b"half a command").unwrap();
    client.read_exact(&mut [0; 14]).unwrap();
    reset(client);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), b"half a command");
    wait_until("it is counted", || ended(&proxy, MirrorEnd::Cut) == 1);
}

#[test]
fn a_share_of_connections_is_mirrored_by_the_draw() {
    let (first, second) = (Server::start(echo), Server::start(echo));
    let at = free_address();
    let proxy = proxy(&mesh(at, first.address, second.address, 2_500));
    for _ in 0..200 {
        let mut client = dial(at);
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    let connected = || second.accepted();
    wait_until("the mirrors have ended", || mirrors(&proxy).active == 0 && connected() >= 44);
    assert!((44..=56).contains(&connected()), "{} of 200 at 25 %", connected());
}

#[test]
fn what_a_mirror_may_not_have_is_counted_and_the_rest_goes_on() {
    let (first, second) = (Server::start(echo), Server::start(echo));
    let at = free_address();
    let mut full = mesh(at, first.address, second.address, 10_000);
    full.clusters[1].0.max_connections = 1;
    let proxy = proxy(&full);
    let (mut one, mut two) = (dial(at), dial(at));
    for client in [&mut one, &mut two] {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    assert_eq!((ended(&proxy, MirrorEnd::Limit), mirrors(&proxy).active), (1, 1));
    let mut empty = mesh(at, first.address, second.address, 10_000);
    empty.clusters[1].1.endpoints.clear();
    assert!(proxy.apply(empty.config()).failed.is_empty());
    unchanged(at, 2 << 20);
    assert_eq!(ended(&proxy, MirrorEnd::Unavailable), 1);
    let listed = proxy.connections();
    assert!(listed.iter().all(|it| it.mirror.as_deref() == Some("MeshService mirror")), "{listed:?}");
}

/// A mirror in the mesh proves its identity, and gets over TLS what came in plaintext.
#[test]
fn a_mirror_behind_mesh_tls_gets_the_plaintext_by_tls() {
    let authority = Authority::new();
    let own = authority.workload(&["spiffe://default/web"]);
    let theirs = authority.workload(&["spiffe://default/mirror"]);
    let ((first, firsts), (app, sums)) = (counting(), counting());
    let behind = free_address();
    let _inbound = proxy(&wire::inbound(behind, app.address, &theirs, &authority.pem, false));
    let at = free_address();
    let mut mesh = mesh(at, first.address, behind, 10_000);
    mesh.listener.mirror.as_mut().unwrap().buffer = 64 << 20;
    let by_tls = wire::outbound(at, behind, &own, &authority.pem, "spiffe://default/mirror", "mirror");
    mesh.clusters[1].0.tls = by_tls.clusters[0].0.tls.clone();
    mesh.secrets = by_tls.secrets;
    let proxy = proxy(&mesh);
    for total in [5, 8 << 20] {
        let client = dial(at);
        let wanted = send(&client, total, 64 << 10);
        client.shutdown(Shutdown::Write).unwrap();
        (&client).read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(firsts.recv_timeout(PATIENCE).unwrap(), wanted);
        assert_eq!(sums.recv_timeout(PATIENCE).unwrap(), wanted);
    }
    wait_until("both have ended", || ended(&proxy, MirrorEnd::Finished) == 2);
    // a mirror without the expected identity gets nothing
    mesh.clusters[1].0.tls.as_mut().unwrap().terms.as_mut().unwrap().names[0].exact =
        "spiffe://default/else".into();
    assert!(proxy.apply(mesh.config()).failed.is_empty());
    let client = dial(at);
    let wanted = send(&client, 100, 10);
    client.shutdown(Shutdown::Write).unwrap();
    (&client).read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(firsts.recv_timeout(PATIENCE).unwrap(), wanted);
    wait_until("it is counted", || ended(&proxy, MirrorEnd::Tls) == 1);
}
