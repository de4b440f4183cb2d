//! Seeded run of every entry point, in every test run. A failure prints the input that violated an invariant.

#[path = "../../../crates/l4/tests/support/hello.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use meshtcp_doors::{
    Mutations, certificate, discovery, dns, draft, files_below, hello, plan, proxy_header, report,
};
use prost::Message;
use support::client_hello;
use xds::proto::l4::{OutboundPath, OutboundPaths, TrafficReport, TrafficRow};

fn knock(door: fn(&[u8]), inputs: impl Iterator<Item = Vec<u8>>) {
    for input in inputs {
        if catch_unwind(AssertUnwindSafe(|| door(&input))).is_err() {
            panic!("this input broke a law (see above):\n{}", input.escape_ascii());
        }
    }
}

fn our_files() -> Vec<Vec<u8>> {
    let mut files = files_below("examples");
    assert!(!files.is_empty(), "there are examples");
    files.extend(files_below("cases"));
    files
}

#[test]
fn draft_as_written() {
    knock(draft, our_files().into_iter());
}

#[test]
fn draft_mutated() {
    knock(draft, Mutations::new(1, our_files()).take(600));
}

#[test]
fn hello_mutated() {
    knock(hello, Mutations::new(2, vec![client_hello("db.example.com"), client_hello("")]).take(3000));
}

#[test]
fn dns_mutated() {
    let query = |name: &[u8], sort: u8| {
        [&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1][..], name, &[0, 0, sort, 0, 1]].concat()
    };
    let redis = b"\x05redis\x03svc\x04mesh\x05local";
    // with the EDNS record that resolvers send
    let extended = [query(redis, 28), vec![0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]].concat();
    let long = query(&b"\x3fabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk".repeat(3), 255);
    knock(dns, Mutations::new(7, vec![query(redis, 1), extended, long, query(b"", 2)]).take(10_000));
}

#[test]
fn dns_answers_mutated() {
    let name = b"\x02db\x07example\x03com\0";
    let head = [&[7, 7, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0][..], name, &[0, 1, 0, 1]].concat();
    let alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 2, 0, 3, 1, b'x', 0];
    let address = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1];
    let whole = [&head[..], &alias, &address].concat();
    assert!(l4::dns::addresses(&whole).is_some());
    knock(dns, Mutations::new(8, vec![whole]).take(10_000));
}

#[test]
fn reports_mutated() {
    let row = |backend: &str, opened: u64| TrafficRow {
        route: "MeshTCPRoute default/canary".into(),
        destination: "cache".into(),
        backend: backend.into(),
        wanted: Some(0.5),
        opened,
        active: 1,
        bytes_to_clients: 1 << 40,
        connect_times: vec![1, 2, 3],
        ..TrafficRow::default()
    };
    let outbound = OutboundPath { listener: "outbound:1".into(), path: 1, why: "it is a gateway".into() };
    let paths = OutboundPaths { outbounds: vec![outbound.clone(), outbound], left_out: 1 };
    let told = |started_us, rows: Vec<TrafficRow>| {
        let paths = rows.is_empty().then(|| paths.clone());
        let message = TrafficReport { started_us, is_first: false, rows, left_out: 0, paths }.encode_to_vec();
        [&[message.len() as u8][..], &message].concat()
    };
    let first = told(5, vec![row("old", 7), row("new", 0)]);
    let second = told(5, vec![row("old", 9), TrafficRow { is_gone: true, ..row("new", 0) }]);
    let anew = told(9, vec![row("old", u64::MAX)]);
    let ways = told(9, Vec::new());
    let all = [&[0][..], &first, &[1], &anew, &[6], &second, &[0], &ways].concat();
    report(&all);
    knock(report, Mutations::new(9, vec![all]).take(3000));
}

#[test]
fn certificate_mutated() {
    let key = rcgen::KeyPair::generate().unwrap();
    let named = |uri: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names = vec![rcgen::SanType::URI(uri.try_into().unwrap())];
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.self_signed(&key).unwrap()
    };
    let (web, other) = (named("spiffe://default/web"), named("kuma://version/v1"));
    let seeds = vec![web.der().to_vec(), other.der().to_vec(), web.pem().into_bytes()];
    seeds.iter().for_each(|seed| certificate(seed));
    knock(certificate, Mutations::new(6, seeds).take(3000));
}

#[test]
fn proxy_header_mutated() {
    let text = b"PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n".to_vec();
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12".to_vec();
    binary.extend_from_slice(&[192, 0, 2, 1, 198, 51, 100, 2, 0x13, 0x88, 0x01, 0xbb, 4, 0, 3, 1, 2, 3]);
    let long = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x0f\xf0"[..], &[9; 4096]].concat();
    let unknown = b"PROXY UNKNOWN\r\n".to_vec();
    knock(proxy_header, Mutations::new(5, vec![text, binary, long, unknown]).take(5000));
}

#[test]
fn discovery_by_chance() {
    knock(discovery, Mutations::new(3, noise(64, 160)).take(1000));
}

#[test]
fn plan_by_chance() {
    knock(plan, Mutations::new(4, noise(64, 600)).take(300));
}

/// Bytes without a pattern, the same in every run.
fn noise(texts: u64, length: usize) -> Vec<Vec<u8>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u8
    };
    (0..texts).map(|_| (0..length).map(|_| next()).collect()).collect()
}
