//! Who is let in, and whom a client believes.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ::l4::Ending;
use ::l4::config::Identity;

use super::{Line, REDIS, SNI, WEB, talk};
use crate::authority::Authority;
use crate::support::{Server, counters, dial, echo, free_address, proxy, read_until_reset, wait_until};
use crate::wire::{Peer, inbound, outbound};

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
