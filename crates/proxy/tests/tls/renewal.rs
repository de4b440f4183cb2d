//! Certificates and processes that are replaced under live connections.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use std::time::Duration;

use meshtcp_proxy::Proxy;

use super::{Line, REDIS, SNI, WEB, talk};
use crate::authority::Authority;
use crate::support::{Server, counters, dial, echo, options};
use crate::wire::{Peer, inbound};

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
    let successor = Proxy::start(options()).unwrap();
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
