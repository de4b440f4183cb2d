//! Bytes and ends of connections on their way through both proxies.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use std::time::{Duration, Instant};

use ::l4::Ending;

use super::{Line, REDIS, SNI, WEB, talk};
use crate::support::{
    Server, counters, dial, echo, free_address, proxy, read_until_reset, reset, wait_until,
};
use crate::wire::{Peer, inbound};

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
