//! Sessions against sessions, in memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;

use l4::config::{Cipher, Identity, NamePattern, TlsLimits, TlsTerms, TlsVersion, Trust};
use meshtcp_tls::{ContextError, Distrust, Failure, Purpose, TlsContext};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use support::{Authority, Pair, Side, client, server, terms};

const WEB: &str = "spiffe://default/web";

fn mesh_names() -> [NamePattern; 1] {
    [NamePattern::Prefix("spiffe://default/".into())]
}

fn redis() -> [NamePattern; 1] {
    [NamePattern::Exact("spiffe://default/redis".into())]
}

fn only(version: TlsVersion) -> TlsLimits {
    TlsLimits { min: version, max: version, ..TlsLimits::default() }
}

/// A context of each side with a certificate of the mesh, with the same limits.
fn mesh(limits: &TlsLimits) -> (TlsContext, TlsContext) {
    let ca = Authority::new();
    let connect = Purpose::Connect(vec!["kuma".into()]);
    let server = ca.workload(&["spiffe://default/redis", "kuma://kuma.io/service/redis"]);
    (
        TlsContext::new(&connect, &terms(&ca.workload(&[WEB]), &ca.trust(), &redis(), limits)).unwrap(),
        TlsContext::new(&Purpose::Accept, &terms(&server, &ca.trust(), &mesh_names(), limits)).unwrap(),
    )
}

#[test]
fn every_server_name_of_a_mesh_is_sent_and_taken() {
    let (client, server) = mesh(&TlsLimits::default());
    let long = format!("{}{{mesh=default}}", "x".repeat(240));
    assert_eq!(long.len(), 254);
    let label = format!("{}.svc", "y".repeat(63));
    let names = [
        "redis{mesh=default}",
        "backend{mesh=m,region=eu,version=v2}",
        "sni.msvc.default.east.backend.80",
        "a25502fde077cd057.redis.6379.default.ms",
        "redis_cache",
        &label,
        &long,
    ];
    for name in names {
        let mut pair = Pair::new(&client, &server, Some(name), 4096);
        pair.shake().unwrap_or_else(|(from, why)| panic!("{name} by {from:?}: {why}"));
        let facts = pair.server.facts().unwrap();
        assert_eq!((facts.peer.uris, facts.version), (vec![WEB.to_owned()], TlsVersion::Tls13), "{name}");
        // what the hello said is known longer than the hello
        assert_eq!(facts.server_name.as_deref(), Some(name));
        assert_eq!(pair.client.facts().unwrap().server_name.as_deref(), Some(name));
    }
}

#[test]
fn bodies_come_through_whole_in_pieces_of_any_size_at_both_versions() {
    let body: Vec<u8> = (0..100_000u32).map(|byte| ((byte * 7) >> 3) as u8).collect();
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let (client, server) = mesh(&only(version));
        for piece in [1, 2, 3, 5, 7, 1400, 65_536] {
            let mut pair = Pair::new(&client, &server, Some("redis{mesh=default}"), piece);
            pair.shake().unwrap();
            for from in [Side::Client, Side::Server] {
                for body in [&body[..1], &body[..64], &body[..]] {
                    let (came, ended) = pair.carry(from, body).unwrap();
                    assert!(came == body && !ended, "{version:?} {from:?} in pieces of {piece}");
                }
            }
            let facts = pair.client.facts().unwrap();
            assert_eq!((facts.version, facts.peer.uris[0].as_str()), (version, "spiffe://default/redis"));
        }
    }
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for first in [Side::Client, Side::Server] {
            let second = if first == Side::Client { Side::Server } else { Side::Client };
            let (client, server) = mesh(&only(version));
            let mut pair = Pair::new(&client, &server, None, 7);
            pair.shake().unwrap();
            pair.carry(first, b"question").unwrap();
            let (_, ended) = pair.end(first).unwrap();
            // at TLS 1.2 the end of the connection stands for it
            assert_eq!(ended, version == TlsVersion::Tls13, "{version:?} {first:?}");
            assert_eq!(pair.carry(second, b"answer").unwrap(), (b"answer".to_vec(), false), "{version:?}");
            let (_, ended) = pair.end(second).unwrap();
            assert_eq!(ended, version == TlsVersion::Tls13);
        }
    }
}

#[test]
fn a_tls12_peer_that_says_it_is_done_still_gets_its_answer() {
    let (client, server) = mesh(&only(TlsVersion::Tls12));
    let mut pair = Pair::new(&client, &server, None, 3);
    pair.shake().unwrap();
    // the library's own form of the end, which others send
    let mut alert = vec![21, 3, 3, 0, 26];
    alert.extend([9; 26]);
    pair.wire(Side::Client).extend(alert);
    let (came, ended) = pair.arrive(Side::Client).unwrap();
    assert!(came.is_empty() && ended);
    assert_eq!(pair.carry(Side::Server, b"answer").unwrap(), (b"answer".to_vec(), false));
}

/// Verdict of a server of the mesh about a client.
fn verdict(identity: &Identity, mesh_ca: &Authority) -> Result<(), Failure> {
    let server_of_mesh =
        server(&mesh_ca.workload(&["spiffe://default/redis"]), &mesh_ca.trust(), &mesh_names());
    let client = client(identity, &mesh_ca.trust(), &[]);
    let mut pair = Pair::new(&client, &server_of_mesh, None, 65_536);
    match pair.shake() {
        Ok(()) => Ok(()),
        Err((Side::Server, why)) => {
            let alert = pair.wire(Side::Server).clone();
            assert!(!alert.is_empty(), "the client is not told: {why}");
            Err(why)
        }
        Err((Side::Client, why)) => panic!("the client failed: {why}"),
    }
}

#[test]
fn clients_are_believed_or_not_each_for_its_reason() {
    let ca = Authority::new();
    let word = |identity: &Identity| verdict(identity, &ca).map_err(|why| why.word().to_owned());
    let refused = |word: &str| Err(word.to_owned());
    assert_eq!(word(&ca.workload(&[WEB])), Ok(()));
    assert_eq!(word(&ca.workload(&["kuma://version/v1", WEB])), Ok(()), "at any place");
    assert_eq!(word(&ca.workload(&["spiffe://other/web"])), refused("name-not-allowed"));
    assert_eq!(word(&ca.workload(&["spiffe://Default/web"])), refused("name-not-allowed"));
    assert_eq!(word(&ca.workload(&[])), refused("name-not-allowed"));
    assert_eq!(word(&Authority::new().workload(&[WEB])), refused("bad-chain"));
    let for_servers =
        ca.issue(&[WEB], |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(word(&for_servers), refused("bad-chain"));
    let past = rcgen::date_time_ymd(2020, 1, 1);
    let expired = ca.issue(&[WEB], |leaf| (leaf.not_before, leaf.not_after) = (past, past));
    assert_eq!(word(&expired), refused("expired"));
    let future = rcgen::date_time_ymd(2090, 1, 1);
    assert_eq!(word(&ca.issue(&[WEB], |leaf| leaf.not_before = future)), refused("expired"));
    let authority = ca.issue(&[WEB], |leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(word(&authority), refused("bad-chain"));
    let signer = ca.issue(&[WEB], |leaf| leaf.key_usages.push(KeyUsagePurpose::KeyCertSign));
    assert_eq!(word(&signer), refused("bad-chain"));
    let not_constrained = ca.issue(&[WEB], |leaf| leaf.is_ca = IsCa::NoCa);
    assert_eq!(word(&not_constrained), Ok(()));
}

#[test]
fn a_domain_is_vouched_for_by_its_own_authorities_only() {
    let (east, west) = (Authority::new(), Authority::new());
    let domains = [("east", &east), ("west", &west)];
    let trust =
        Trust::ByDomain(domains.iter().map(|(name, ca)| ((*name).into(), ca.pem.as_str().into())).collect());
    let server = server(&east.workload(&["spiffe://east/redis"]), &trust, &[]);
    let verdict = |identity: &Identity| {
        let client = client(identity, &trust, &[]);
        Pair::new(&client, &server, None, 65_536).shake().map_err(|(_, why)| why)
    };
    assert_eq!(verdict(&east.workload(&["spiffe://east/web"])), Ok(()));
    assert_eq!(verdict(&west.workload(&["spiffe://west/web"])), Ok(()));
    let refused = |distrust| Err(Failure::Distrusted(distrust));
    let swapped = verdict(&west.workload(&["spiffe://east/web"]));
    assert_eq!(swapped, refused(Distrust::OtherAuthority("east".to_owned())));
    assert_eq!(
        verdict(&east.workload(&["kuma://version/v1", "spiffe://east/web"])),
        refused(Distrust::NoSpiffeName)
    );
    assert_eq!(verdict(&east.workload(&["spiffe://east"])), refused(Distrust::NoSpiffeName));
    let unknown = verdict(&east.workload(&["spiffe://north/web"]));
    assert_eq!(unknown, refused(Distrust::UnknownDomain("north".to_owned())));
}

#[test]
fn a_client_does_not_believe_a_server_of_another_name_or_authority() {
    let (ca, other) = (Authority::new(), Authority::new());
    let client = client(&ca.workload(&[WEB]), &ca.trust(), &redis());
    let both = Trust::OneBundle(format!("{}\n{}", ca.pem, other.pem).into());
    let word = |identity: &Identity| {
        let server = server(identity, &both, &[]);
        Pair::new(&client, &server, None, 65_536).shake().map_err(|(from, why)| (from, why.word()))
    };
    assert_eq!(word(&ca.workload(&["spiffe://default/redis"])), Ok(()));
    assert_eq!(word(&ca.workload(&["spiffe://default/redis-2"])), Err((Side::Client, "name-not-allowed")));
    assert_eq!(word(&other.workload(&["spiffe://default/redis"])), Err((Side::Client, "bad-chain")));
}

#[test]
fn nobody_is_believed_where_no_authority_is_trusted() {
    let ca = Authority::new();
    let server = server(&ca.workload(&[WEB]), &Trust::OneBundle("".into()), &[]);
    let client = client(&ca.workload(&[WEB]), &ca.trust(), &[]);
    let (from, why) = Pair::new(&client, &server, None, 65_536).shake().unwrap_err();
    assert_eq!((from, why.word()), (Side::Server, "bad-chain"));
    let none = Trust::ByDomain(BTreeMap::new());
    assert!(
        TlsContext::new(&Purpose::Accept, &terms(&ca.workload(&[WEB]), &none, &[], &TlsLimits::default()))
            .is_ok()
    );
}

#[test]
fn what_is_no_tls_fails_at_once_and_a_changed_byte_is_noticed() {
    let (client, server) = mesh(&TlsLimits::default());
    let mut accepted = meshtcp_tls::Session::accept(&server).unwrap();
    let why = accepted.handshake(b"GET / HTTP/1.1\r\n\r\n", &mut Vec::new()).unwrap_err();
    assert_eq!(why.word(), "protocol");
    let mut pair = Pair::new(&client, &server, None, 65_536);
    pair.shake().unwrap();
    pair.client.seal(b"lost", &mut Vec::new()).unwrap();
    let mut wire = Vec::new();
    pair.client.seal(b"question", &mut wire).unwrap();
    let mut alert = Vec::new();
    assert!(
        pair.server.open(&wire, &mut [0; 18 << 10], &mut alert).is_err(),
        "a record is missing before it"
    );
    assert!(!alert.is_empty());
}

#[test]
fn a_cut_inside_a_record_is_told_from_one_between_records() {
    let (client, server) = mesh(&TlsLimits::default());
    let mut pair = Pair::new(&client, &server, None, 65_536);
    pair.shake().unwrap();
    pair.carry(Side::Client, b"whole").unwrap();
    assert!(!pair.server.is_truncated());
    let (mut wire, mut plain, mut back) = (Vec::new(), vec![0; 18 << 10], Vec::new());
    pair.client.seal(b"cut", &mut wire).unwrap();
    let (first, second) = wire.split_at(9);
    assert_eq!(pair.server.open(first, &mut plain, &mut back).unwrap().bytes, 0);
    assert!(pair.server.is_truncated());
    assert_eq!(pair.server.open(second, &mut plain, &mut back).unwrap().bytes, 3);
    assert!(!pair.server.is_truncated() && plain.starts_with(b"cut"));
}

#[test]
fn suites_and_versions_are_as_allowed() {
    let ca = Authority::new();
    let accept = |limits: &TlsLimits| {
        TlsContext::new(&Purpose::Accept, &terms(&ca.workload(&[WEB]), &ca.trust(), &[], limits))
    };
    let connect = Purpose::Connect(Vec::new());
    let client = |limits: &TlsLimits| {
        TlsContext::new(&connect, &terms(&ca.workload(&[WEB]), &ca.trust(), &[], limits)).unwrap()
    };
    let shake = |server: &TlsContext, limits: &TlsLimits| {
        let mut pair = Pair::new(&client(limits), server, None, 65_536);
        pair.shake().map(|()| pair.server.facts().unwrap()).map_err(|(_, why)| why.word())
    };
    let gcm = TlsLimits {
        ciphers: Cipher::ALL.iter().copied().filter(|cipher| cipher.as_str().contains("GCM")).collect(),
        ..TlsLimits::default()
    };
    let server = accept(&gcm).unwrap();
    assert_eq!(shake(&server, &TlsLimits::default()).unwrap().version, TlsVersion::Tls13);
    let old = shake(&server, &only(TlsVersion::Tls12)).unwrap();
    assert_eq!((old.version, old.cipher.as_str()), (TlsVersion::Tls12, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    assert_eq!(shake(&accept(&only(TlsVersion::Tls13)).unwrap(), &only(TlsVersion::Tls12)), Err("protocol"));
    let one = TlsLimits { ciphers: [Cipher::RsaAes256].into(), ..only(TlsVersion::Tls12) };
    assert_eq!(accept(&one).unwrap_err(), ContextError::Limits);
}

#[test]
fn nothing_shows_a_key() {
    let ca = Authority::new();
    let identity = ca.workload(&[WEB]);
    let context = server(&identity, &ca.trust(), &[]);
    let shown = format!("{identity:?} {context:?}");
    assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    let broken = Identity { key: "no key".into(), ..identity };
    let whole = terms(&broken, &ca.trust(), &[], &TlsLimits::default());
    assert!(matches!(TlsContext::new(&Purpose::Accept, &whole), Err(ContextError::Identity(_))));
    let none = TlsTerms { identity: None, ..whole };
    assert_eq!(TlsContext::new(&Purpose::Accept, &none).unwrap_err(), ContextError::NoIdentity);
}
