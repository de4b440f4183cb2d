//! Fidelity of the relay: one end gets what the other sends, every byte, every end, every reset, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ::l4::Ending;
use support::{Server, before, counters, dial, echo, read_until_reset, reset, wait_until};

/// Bytes that can be checked at any position: a stream that differs by seed.
fn pattern(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut state = seed | 1;
    move |chunk| {
        for byte in chunk {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    }
}

fn send_pattern(mut stream: &TcpStream, seed: u64, total: usize, chunk: usize) {
    let (mut next, mut buffer, mut sent) = (pattern(seed), vec![0; chunk], 0);
    while sent < total {
        let size = chunk.min(total - sent);
        next(&mut buffer[..size]);
        stream.write_all(&buffer[..size]).unwrap();
        sent += size;
    }
}

fn expect_pattern(mut stream: &TcpStream, seed: u64, total: usize) {
    let (mut next, mut got, mut wanted) = (pattern(seed), vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut received = 0;
    while received < total {
        let bytes = stream.read(&mut got).unwrap();
        assert!(bytes > 0, "ended after {received} of {total} bytes");
        next(&mut wanted[..bytes]);
        assert!(got[..bytes] == wanted[..bytes], "wrong bytes after {received}");
        received += bytes;
    }
    assert_eq!(received, total);
}

fn expect_end(mut stream: &TcpStream) {
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "bytes where the end should be");
}

/// Server that passes its connections to the test.
fn handed() -> (Server, mpsc::Receiver<TcpStream>) {
    let (hand, connections) = mpsc::channel();
    let server = Server::start(move |stream| {
        let _ = hand.send(stream);
    });
    (server, connections)
}

#[test]
fn sixty_four_mebibytes_each_way_at_once() {
    const TOTAL: usize = 64 << 20;
    let (server, connections) = handed();
    let (proxy, address) = before(&server);
    let client = dial(address);
    let backend = connections.recv_timeout(support::PATIENCE).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            send_pattern(&client, 1, TOTAL, 100_003);
            client.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(|| {
            send_pattern(&backend, 2, TOTAL, 65_536);
            backend.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(|| {
            expect_pattern(&client, 2, TOTAL);
            expect_end(&client);
        });
        scope.spawn(|| {
            expect_pattern(&backend, 1, TOTAL);
            expect_end(&backend);
        });
    });
    wait_until("it ended", || counters(&proxy).active == 0);
    let counted = counters(&proxy);
    let bytes = (counted.backends[0].bytes_from_clients, counted.backends[0].bytes_to_clients);
    assert_eq!(bytes, (TOTAL as u64, TOTAL as u64));
}

#[test]
fn messages_of_every_size_change_between_copying_and_splicing() {
    let server = Server::start(echo);
    let (_proxy, address) = before(&server);
    let client = dial(address);
    thread::scope(|scope| {
        let sizes = [1, 300_000, 7, 2_000_000, 65_536, 65_537, 65_535, 3, 131_072, 1, 1, 5_000_000, 1];
        let total: usize = sizes.iter().sum::<usize>() * 3;
        let client = &client;
        scope.spawn(move || expect_pattern(client, 9, total));
        let (mut next, mut stream) = (pattern(9), client);
        for size in sizes.into_iter().cycle().take(sizes.len() * 3) {
            let mut message = vec![0; size];
            next(&mut message);
            stream.write_all(&message).unwrap();
        }
    });
}

#[test]
fn one_byte_segments() {
    let server = Server::start(echo);
    let (_proxy, address) = before(&server);
    let mut client = dial(address);
    for byte in 0..=255u8 {
        client.write_all(&[byte]).unwrap();
        let mut back = [0];
        client.read_exact(&mut back).unwrap();
        assert_eq!(back, [byte]);
    }
    // and without waiting for each
    for byte in 0..5000u32 {
        client.write_all(&[byte as u8]).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).unwrap();
    assert_eq!(back, (0..5000u32).map(|byte| byte as u8).collect::<Vec<_>>());
}

#[test]
fn the_client_ends_first_and_still_gets_the_answer() {
    let server = Server::start(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(format!("{} bytes", all.len()).as_bytes()).unwrap();
    });
    let (proxy, address) = before(&server);
    for size in [0, 1, 1000, 1 << 20] {
        let mut client = dial(address);
        client.write_all(&vec![7; size]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("{size} bytes"));
    }
    wait_until("all ended", || counters(&proxy).active == 0);
    assert_eq!(counters(&proxy).ended[&Ending::ClientClosed], 4);
}

#[test]
fn the_backend_ends_first_and_still_gets_the_rest() {
    let (send, received) = mpsc::channel();
    let server = Server::start(move |mut stream| {
        stream.write_all(b"bye").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        send.send(all.len()).unwrap();
    });
    let (proxy, address) = before(&server);
    for size in [0, 1, 1000, 1 << 20] {
        let mut client = dial(address);
        let mut greeting = String::new();
        client.read_to_string(&mut greeting).unwrap();
        assert_eq!(greeting, "bye");
        client.write_all(&vec![7; size]).unwrap();
        drop(client);
        assert_eq!(received.recv_timeout(support::PATIENCE).unwrap(), size);
    }
    wait_until("all ended", || counters(&proxy).active == 0);
    assert_eq!(counters(&proxy).ended[&Ending::BackendClosed], 4);
}

#[test]
fn a_reset_by_the_client_is_a_reset_at_the_backend() {
    let (server, connections) = handed();
    let (proxy, address) = before(&server);
    let mut client = dial(address);
    client.write_all(b"hello").unwrap();
    let mut backend = connections.recv_timeout(support::PATIENCE).unwrap();
    support::patient(&backend);
    let mut greeting = [0; 5];
    backend.read_exact(&mut greeting).unwrap();
    reset(client);
    assert_eq!(read_until_reset(&backend), b"");
    wait_until("it ended", || counters(&proxy).ended.get(&Ending::ClientReset) == Some(&1));
}

#[test]
fn a_reset_by_the_backend_is_a_reset_at_the_client_after_what_was_sent() {
    let (server, connections) = handed();
    let (proxy, address) = before(&server);
    let client = dial(address);
    let mut backend = connections.recv_timeout(support::PATIENCE).unwrap();
    backend.write_all(b"half an ans").unwrap();
    let mut first = [0; 4];
    (&client).read_exact(&mut first).unwrap();
    reset(backend);
    assert_eq!(read_until_reset(&client), b" an ans");
    wait_until("it ended", || counters(&proxy).ended.get(&Ending::BackendReset) == Some(&1));
}

#[test]
fn a_reset_after_the_other_end_ended_is_passed_on() {
    let (server, connections) = handed();
    let (proxy, address) = before(&server);
    let client = dial(address);
    client.shutdown(Shutdown::Write).unwrap();
    let backend = connections.recv_timeout(support::PATIENCE).unwrap();
    expect_end(&backend);
    reset(backend);
    read_until_reset(&client);
    wait_until("it ended", || counters(&proxy).ended.get(&Ending::BackendReset) == Some(&1));
}

#[test]
fn a_client_that_is_gone_at_once_leaves_nothing_behind() {
    let server = Server::start(echo);
    let (proxy, address) = before(&server);
    for round in 0..200 {
        let client = TcpStream::connect(address).unwrap();
        if round % 2 == 0 { reset(client) } else { drop(client) }
    }
    wait_until("all ended", || counters(&proxy).active == 0 && counters(&proxy).accepted > 100);
    assert_eq!(proxy.connections().len(), 0);
}

/// Returns the number of bytes that a non-blocking writer sends before the other end would have to read.
fn stuff(mut stream: &TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let (chunk, mut sent, mut stuck) = (vec![5; 256 << 10], 0, Instant::now());
    while stuck.elapsed() < Duration::from_secs(2) {
        match stream.write(&chunk) {
            Ok(bytes) => {
                sent += bytes;
                stuck = Instant::now();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5))
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 256 << 20, "nobody holds the sender back");
    }
    stream.set_nonblocking(false).unwrap();
    sent
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
fn a_reader_that_stalls_holds_the_sender_back_and_loses_nothing() {
    let (server, connections) = handed();
    let (_proxy, address) = before(&server);
    let client = dial(address);
    let backend = connections.recv_timeout(support::PATIENCE).unwrap();
    let before = resident_bytes();
    let (up, down) = (stuff(&client), stuff(&backend));
    // the kernel's socket buffers on both hops, and one pipe or buffer of ours
    assert!(up < 64 << 20 && down < 64 << 20, "{up} {down}");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    client.shutdown(Shutdown::Write).unwrap();
    backend.shutdown(Shutdown::Write).unwrap();
    thread::scope(|scope| {
        for (stream, total) in [(&client, down), (&backend, up)] {
            scope.spawn(move || {
                let (mut stream, mut chunk, mut received) = (stream, vec![0; 256 << 10], 0);
                while let bytes @ 1.. = stream.read(&mut chunk).unwrap() {
                    assert!(chunk[..bytes].iter().all(|byte| *byte == 5));
                    received += bytes;
                }
                assert_eq!(received, total);
            });
        }
    });
}
