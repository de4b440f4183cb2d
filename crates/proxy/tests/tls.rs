//! TLS over real sockets: the clients that are accepted and refused, and the bytes that arrive.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../tls/tests/support/authority.rs"]
mod authority;
mod support;
#[path = "support/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use ::l4::Ending;
use ::l4::config::Identity;
use authority::Authority;
use meshtcp_proxy::Proxy;
use support::{Mesh, Server, counters, dial, echo, free_address, proxy, read_until_reset, reset, wait_until};
use wire::{Peer, inbound, outbound};

const WEB: &str = "spiffe://default/web";
const REDIS: &str = "spiffe://default/redis";
const SNI: &str = "redis{mesh=default}";

/// Application behind an inbound that terminates TLS, and an outbound that originates it.
struct Line {
    ca: Authority,
    app: Server,
    inbound: Proxy,
    at: SocketAddr,
    _outbound: Proxy,
    door: SocketAddr,
}

impl Line {
    fn to(app: Server) -> Self {
        let ca = Authority::new();
        let (at, door) = (free_address(), free_address());
        let inbound = proxy(&inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, false));
        let outbound = proxy(&outbound(door, at, &ca.workload(&[WEB]), &ca.pem, REDIS, SNI));
        Self { ca, app, inbound, at, _outbound: outbound, door }
    }

    fn ended(&self, ending: Ending) -> u64 {
        counters(&self.inbound).ended.get(&ending).copied().unwrap_or_default()
    }
}

fn talk(stream: &mut TcpStream, words: &[u8]) {
    stream.write_all(words).unwrap();
    let mut answer = vec![0; words.len()];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer == words);
}

fn body(length: usize) -> Vec<u8> {
    (0..length as u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn bytes_of_any_number_go_there_and_back() {
    let line = Line::to(Server::start(echo));
    let mut client = dial(line.door);
    for length in [1, 64, 16_384, 16_385, 1 << 20, 7] {
        let sent = body(length);
        let mut writer = client.try_clone().unwrap();
        let to_send = sent.clone();
        let writing = thread::spawn(move || writer.write_all(&to_send).unwrap());
        let mut received = vec![0; length];
        client.read_exact(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == sent, "{length} bytes");
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    wait_until("the end is counted", || line.ended(Ending::ClientClosed) == 1);
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_believed_when_it_is() {
    let (ca, app) = (Authority::new(), Server::start(echo));
    let (at, door) = (free_address(), free_address());
    // as if the clock of this host were behind that of the issuer
    let from = std::time::SystemTime::now() + Duration::from_secs(4);
    let early = ca.issue(&[WEB], |leaf| leaf.not_before = from.into());
    let _inbound = proxy(&inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, false));
    let _outbound = proxy(&outbound(door, at, &early, &ca.pem, REDIS, SNI));
    let is_served = || {
        let mut client = dial(door);
        let mut answer = [0; 5];
        client.write_all(b"early").is_ok() && client.read_exact(&mut answer).is_ok()
    };
    assert!(!is_served());
    wait_until("its time has come", is_served);
    assert!(std::time::SystemTime::now() + Duration::from_secs(1) >= from);
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    let line = Line::to(Server::named("mysql"));
    let mut client = dial(line.door);
    let mut greeting = [0; 5];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"mysql");
    talk(&mut client, b"select");
}

#[test]
fn half_of_a_connection_ends_and_the_other_goes_on() {
    let line = Line::to(Server::start(|mut stream| {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).unwrap();
        thread::sleep(Duration::from_millis(300));
        stream.write_all(&question.repeat(3)).unwrap();
    }));
    let mut client = dial(line.door);
    client.write_all(b"question ").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"question question question ");

    let line = Line::to(Server::start(|mut stream| {
        stream.write_all(b"go on").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert!(all == body(100_000));
        reset(stream);
    }));
    let mut client = dial(line.door);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"go on");
    client.write_all(&body(100_000)).unwrap();
    // only the reset shows whether all was right
    drop(client);
    wait_until("the server is done", || {
        line.ended(Ending::BackendReset) + line.ended(Ending::ClientReset) + line.ended(Ending::BackendClosed)
            == 1
    });
}

#[test]
fn a_reset_goes_through_both_proxies_either_way() {
    let line = Line::to(Server::start(|mut stream| {
        let mut word = [0; 4];
        if stream.read_exact(&mut word).is_ok() && &word == b"down" {
            reset(stream);
        } else {
            echo(stream);
        }
    }));
    let mut client = dial(line.door);
    client.write_all(b"down").unwrap();
    assert!(read_until_reset(&client).is_empty());
    wait_until("the backend's reset is counted", || line.ended(Ending::BackendReset) == 1);
    let mut client = dial(line.door);
    client.write_all(b"ping").unwrap();
    wait_until("the application is connected", || line.app.accepted() == 2);
    reset(client);
    wait_until("the client's reset is counted", || line.ended(Ending::ClientReset) == 1);
}

#[test]
fn nobody_comes_in_without_proof_and_the_application_hears_of_none() {
    let line = Line::to(Server::start(echo));
    let ca = &line.ca;
    let stranger = Authority::new();
    let past = rcgen::date_time_ymd(2020, 1, 1);
    let refused: [(&str, Identity); 4] = [
        ("another mesh", ca.workload(&["spiffe://other/web"])),
        ("no name", ca.workload(&[])),
        ("another authority", stranger.workload(&[WEB])),
        ("expired", ca.issue(&[WEB], |leaf| (leaf.not_before, leaf.not_after) = (past, past))),
    ];
    for (who, identity) in &refused {
        let mut peer =
            Peer::connect(line.at, identity, &ca.pem, SNI).expect("the server shows its certificate first");
        assert!(peer.talk(b"let me in").is_err(), "{who} came in");
    }
    wait_until("all are refused", || line.ended(Ending::TlsFailed) == refused.len() as u64);
    let mut plain = dial(line.at);
    let started = Instant::now();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = plain.read(&mut [0; 16]);
    assert!(started.elapsed() < Duration::from_secs(5));
    wait_until("plaintext is refused", || line.ended(Ending::TlsFailed) == refused.len() as u64 + 1);
    assert_eq!(line.app.accepted(), 0, "the application was dialled for somebody who is not believed");
    let mut peer = Peer::connect(line.at, &ca.workload(&["kuma://version/v1", WEB]), &ca.pem, SNI).unwrap();
    assert_eq!(peer.talk(b"hello").unwrap(), b"hello");
}

#[test]
fn a_client_that_begins_no_handshake_keeps_no_place() {
    let line = Line::to(Server::start(echo));
    let (begun, silent) = (Instant::now(), dial(line.at));
    read_until_reset(&silent);
    let waited = begun.elapsed().as_secs();
    assert!((14..40).contains(&waited), "{waited} s");
    wait_until("it is counted as that", || line.ended(Ending::TlsTimeout) == 1);
    assert_eq!(line.app.accepted(), 0);
}

#[test]
fn a_client_that_is_believed_and_may_not_connect_is_sent_away_before_anybody_is_dialled() {
    let (ca, app, at) = (Authority::new(), Server::start(echo), free_address());
    let mut mesh = inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, true);
    let web =
        xds::proto::l4::PeerCondition { fact: xds::proto::l4::PeerFact::HasName.into(), value: WEB.into() };
    let peers = vec![xds::proto::l4::Peer { conditions: vec![web] }];
    let allow = xds::proto::l4::PermissionRule { peers, allows: true, origin: None };
    mesh.listener.permissions =
        Some(xds::proto::l4::Permissions { rules: vec![allow], shadow_denied: Vec::new() });
    let inbound = proxy(&mesh);
    let mut peer = Peer::connect(at, &ca.workload(&["spiffe://default/api"]), &ca.pem, SNI).unwrap();
    assert!(peer.talk(b"let me in").is_err());
    wait_until("it is counted", || counters(&inbound).ended.get(&Ending::Denied) == Some(&1));
    assert_eq!(app.accepted(), 0);
    let mut peer = Peer::connect(at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
    assert_eq!(peer.talk(b"hello").unwrap(), b"hello");
    // in mode PERMISSIVE permissions apply to clients with an identity
    talk(&mut dial(at), b"plain");
}

#[test]
fn a_server_of_another_name_is_not_believed_and_the_attempt_has_failed() {
    let ca = Authority::new();
    let app = Server::start(echo);
    let (at, door) = (free_address(), free_address());
    let _inbound =
        proxy(&inbound(at, app.address, &ca.workload(&["spiffe://default/other"]), &ca.pem, false));
    let outbound = proxy(&outbound(door, at, &ca.workload(&[WEB]), &ca.pem, REDIS, SNI));
    let mut client = dial(door);
    let _ = client.write_all(b"secret");
    assert!(!matches!(client.read(&mut [0]), Ok(1..)), "an answer from somebody else");
    wait_until("the attempt is counted", || counters(&outbound).ended.get(&Ending::ConnectTls) == Some(&1));
    assert_eq!(app.accepted(), 0);
}

#[test]
fn where_plaintext_is_taken_each_gets_what_it_speaks() {
    let ca = Authority::new();
    let app = Server::named("hello");
    let at = free_address();
    let inbound = proxy(&inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, true));
    let mut greeting = [0; 5];
    // of the mesh
    let mut peer = Peer::connect(at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
    assert_eq!(peer.talk(b"").unwrap(), b"hello");
    // plaintext that speaks first, by one byte
    let mut plain = dial(at);
    plain.write_all(b"P").unwrap();
    plain.read_exact(&mut greeting).unwrap();
    plain.read_exact(&mut [0]).unwrap();
    talk(&mut plain, b"ING");
    // plaintext that waits for the server
    let started = Instant::now();
    let mut silent = dial(at);
    silent.read_exact(&mut greeting).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(290));
    talk(&mut silent, b"late");
    // the application's own TLS
    let hello = Peer::hello(&ca.workload(&[WEB]), &ca.pem, "app.example.com", &[]);
    let mut own = dial(at);
    for piece in hello.chunks(5) {
        own.write_all(piece).unwrap();
    }
    own.read_exact(&mut greeting).unwrap();
    let mut echoed = vec![0; hello.len()];
    own.read_exact(&mut echoed[..]).unwrap();
    assert!(echoed[1..] == hello[1..], "its hello came as it was");
    // of the mesh, and not trusted
    let mut peer = Peer::connect(at, &ca.workload(&["spiffe://other/web"]), &ca.pem, SNI).unwrap();
    assert!(peer.talk(b"").is_err());
    wait_until("it is refused", || counters(&inbound).ended.get(&Ending::TlsFailed) == Some(&1));
    assert_eq!(app.accepted(), 4);
}

#[test]
fn a_secret_that_is_not_there_closes_the_door_and_never_opens_it_to_plaintext() {
    let ca = Authority::new();
    let app = Server::start(echo);
    let (at, door) = (free_address(), free_address());
    let mut server = inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, false);
    let secrets = std::mem::take(&mut server.secrets);
    let accepting = proxy(&server);
    let mut client = outbound(door, at, &ca.workload(&[WEB]), &ca.pem, REDIS, SNI);
    let own = client.secrets.remove(0);
    let dialling = proxy(&client);
    let mut plain = dial(at);
    let _ = plain.write_all(b"plain");
    assert!(!matches!(plain.read(&mut [0]), Ok(1..)));
    wait_until("it is closed", || counters(&accepting).ended.get(&Ending::NoIdentity) == Some(&1));
    let mut refused = dial(door);
    assert!(!matches!(refused.read(&mut [0]), Ok(1..)));
    wait_until("nothing is dialled", || {
        counters(&dialling).ended.get(&Ending::BackendUnavailable) == Some(&1)
    });
    assert_eq!(app.accepted(), 0);
    server.secrets = secrets;
    client.secrets.push(own);
    accepting.apply(server.config());
    dialling.apply(client.config());
    talk(&mut dial(door), b"now");
}

#[test]
fn a_cut_inside_a_record_is_a_reset_and_one_between_them_an_end() {
    let (line, cut) = (Line::to(Server::start(echo)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&cut);
    let app = Server::start(move |mut stream| {
        let mut all = Vec::new();
        match stream.read_to_end(&mut all) {
            Ok(_) => seen.fetch_add(1, Relaxed),
            Err(_) => seen.fetch_add(100, Relaxed),
        };
    });
    let at = free_address();
    let ca = &line.ca;
    let inbound = proxy(&inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, false));
    let mut peer = Peer::connect(at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
    peer.send_part(b"half of it", 9).unwrap();
    peer.stream.shutdown(Shutdown::Write).unwrap();
    wait_until("the application is told", || cut.load(Relaxed) == 100);
    let mut peer = Peer::connect(at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
    peer.send(b"all of it").unwrap();
    peer.stream.shutdown(Shutdown::Write).unwrap();
    wait_until("the application is told", || cut.load(Relaxed) == 101);
    wait_until("it is counted", || counters(&inbound).ended.get(&Ending::TlsTruncated) == Some(&1));
    let mut peer = Peer::connect(at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
    peer.send(b"fine").unwrap();
    peer.stream.write_all(&[23, 3, 3, 0, 30]).unwrap();
    peer.stream.write_all(&[7; 30]).unwrap();
    wait_until("the application is told", || cut.load(Relaxed) == 201);
    wait_until("it is counted", || counters(&inbound).ended.get(&Ending::TlsBroken) == Some(&1));
}

#[test]
fn certificates_change_under_connections_that_live_and_none_notices() {
    let line = Line::to(Server::start(echo));
    let ca = &line.ca;
    let mut live: Vec<TcpStream> = (0..100).map(|_| dial(line.door)).collect();
    live.iter_mut().for_each(|stream| talk(stream, b"before"));
    let done = Arc::new(AtomicBool::new(false));
    let (dialled, stop, door) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&done), line.door);
    let count = Arc::clone(&dialled);
    let dialling = thread::spawn(move || {
        while !stop.load(Relaxed) {
            talk(&mut dial(door), b"new");
            count.fetch_add(1, Relaxed);
        }
    });
    let mut ends = std::collections::BTreeSet::new();
    for round in 0..10 {
        let year = 2060 + round;
        let renewed = ca.issue(&[REDIS], |leaf| leaf.not_after = rcgen::date_time_ymd(year, 1, 1));
        line.inbound.apply(inbound(line.at, line.app.address, &renewed, &ca.pem, false).config());
        let peer = Peer::connect(line.at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
        ends.insert(peer.server().not_after);
        live.iter_mut().for_each(|stream| talk(stream, b"during"));
        thread::sleep(Duration::from_millis(50));
    }
    // an authority that is no longer trusted: live connections stay, new ones are refused
    let other = Authority::new();
    line.inbound
        .apply(inbound(line.at, line.app.address, &ca.workload(&[REDIS]), &other.pem, false).config());
    done.store(true, Relaxed);
    let _ = dialling.join();
    live.iter_mut().for_each(|stream| talk(stream, b"after"));
    let mut peer = Peer::connect(line.at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
    assert!(peer.talk(b"late").is_err());
    assert_eq!(ends.len(), 10, "each new connection sees the certificate of its time");
    assert!(dialled.load(Relaxed) > 10);
}

#[test]
fn a_successor_takes_over_and_neither_a_connection_nor_a_handshake_is_lost() {
    let line = Line::to(Server::start(echo));
    let mut live = Peer::connect(line.at, &line.ca.workload(&[WEB]), &line.ca.pem, SNI).unwrap();
    assert_eq!(live.talk(b"before").unwrap(), b"before");
    let done = Arc::new(AtomicBool::new(false));
    let (stop, door) = (Arc::clone(&done), line.door);
    let dialling = thread::spawn(move || {
        let mut served = 0;
        while !stop.load(Relaxed) {
            talk(&mut dial(door), b"new");
            served += 1;
        }
        served
    });
    let successor = Proxy::start(support::options()).unwrap();
    successor.inherit(line.inbound.lend());
    let renewed = line.ca.workload(&[REDIS]);
    let report = successor.apply(inbound(line.at, line.app.address, &renewed, &line.ca.pem, false).config());
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    let Line { inbound: leaving, ca, at, .. } = &line;
    thread::scope(|scope| {
        let drained = scope.spawn(|| leaving.drain(Duration::from_secs(20)));
        for _ in 0..20 {
            let mut peer = Peer::connect(*at, &ca.workload(&[WEB]), &ca.pem, SNI).unwrap();
            assert_eq!(peer.talk(b"next").unwrap(), b"next");
        }
        assert_eq!(live.talk(b"after").unwrap(), b"after");
        drop(live);
        assert_eq!(drained.join().unwrap().closed, 0, "a connection was cut");
    });
    done.store(true, Relaxed);
    assert!(dialling.join().unwrap() > 0);
    assert!(counters(&successor).accepted >= 20);
}

#[test]
fn small_messages_do_not_wait_for_a_crowd_that_shakes_hands() {
    let line = Line::to(Server::start(echo));
    let mut steady = dial(line.door);
    talk(&mut steady, b"before");
    let done = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..4)
        .map(|_| {
            let (stop, door) = (Arc::clone(&done), line.door);
            thread::spawn(move || {
                let mut served = 0;
                while !stop.load(Relaxed) {
                    talk(&mut dial(door), b"new");
                    served += 1;
                }
                served
            })
        })
        .collect();
    let mut times: Vec<Duration> = (0..300)
        .map(|_| {
            let started = Instant::now();
            talk(&mut steady, b"ping");
            started.elapsed()
        })
        .collect();
    done.store(true, Relaxed);
    let served: u32 = crowd.into_iter().map(|crowd| crowd.join().unwrap()).sum();
    times.sort_unstable();
    assert!(served > 0);
    assert!(times[150] < Duration::from_secs(1), "the median message took {:?}", times[150]);
}

#[test]
fn the_log_says_who_spoke_how_and_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("connections.log");
    let sink = ::l4::config::LogSink::File(log.to_str().unwrap().into());
    let options = meshtcp_proxy::Options {
        connection_log: Some(meshtcp_proxy::ConnectionLog { sink, format: meshtcp_proxy::LineFormat::Text }),
        ..support::options()
    };
    let (ca, app, at) = (Authority::new(), Server::start(echo), free_address());
    let proxy = Proxy::start(options).unwrap();
    proxy.apply(inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, false).config());
    let mut peer = Peer::connect(at, &ca.workload(&[WEB, "kuma://version/v1"]), &ca.pem, SNI).unwrap();
    assert_eq!(peer.talk(b"hello").unwrap(), b"hello");
    drop(peer);
    let mut peer = Peer::connect(at, &ca.workload(&["spiffe://other/web"]), &ca.pem, SNI).unwrap();
    assert!(peer.talk(b"hello").is_err());
    let mut lines = String::new();
    wait_until("both are logged", || {
        lines = std::fs::read_to_string(&log).unwrap_or_default();
        lines.lines().count() == 2
    });
    let line =
        |word: &str| lines.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{lines}"));
    let good = line("tls=1.3");
    assert!(good.contains(&format!("server_name=\"{SNI}\"")), "{good}");
    assert!(
        good.contains("peer=spiffe://default/web peer_uris=spiffe://default/web,kuma://version/v1"),
        "{good}"
    );
    let bad = line("ended=tls-failed");
    assert!(bad.contains("tls_error=client:name-not-allowed") && bad.contains("spiffe://other/web"), "{bad}");
    assert!(!lines.contains("PRIVATE"));
}

#[test]
fn what_is_wrong_with_messages_of_tls_is_all_told() {
    let ca = Authority::new();
    let mut mesh: Mesh = inbound(free_address(), free_address(), &ca.workload(&[REDIS]), &ca.pem, false);
    let terms = mesh.listener.tls.as_mut().unwrap().terms.as_mut().unwrap();
    terms.certificate.clear();
    terms.names.push(xds::proto::l4::NamePattern::default());
    terms.ciphers.push("RC4".into());
    (terms.min_version, terms.max_version) = (2, 1);
    let problems = ::l4::Config::parse(&[(::l4::ProxyName::from("web"), &mesh.resources())]).unwrap_err();
    let fields: Vec<String> = problems.iter().map(|problem| problem.field.clone()).collect();
    let wanted =
        ["tls.terms.certificate", "tls.terms.names[1]", "tls.terms.min_version", "tls.terms.ciphers[0]"];
    assert_eq!(fields, wanted);
}
