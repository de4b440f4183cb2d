//! Sessions against rustls, in memory: another implementation accepts our TLS.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::sync::Arc;

use l4::config::{Identity, TlsVersion};
use meshtcp_tls::Session;
use rcgen::SanType;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use support::{Authority, client, server};

const WEB: &str = "spiffe://default/web";
const HOST: &str = "redis.mesh";

fn chain(identity: &Identity) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(identity.chain.as_bytes()).map(Result::unwrap).collect()
}

fn key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap()
}

fn roots(ca: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem.as_bytes()).unwrap()).unwrap();
    Arc::new(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate that also names a host, as rustls wants it of servers.
fn of_host(ca: &Authority, uri: &str) -> Identity {
    ca.issue(&[uri], |leaf| leaf.subject_alt_names.push(SanType::DnsName(HOST.try_into().unwrap())))
}

/// Runs both ends until neither has anything to send, then sends a word each way.
fn talk(ours: &mut Session, theirs: &mut rustls::Connection) {
    let (mut to_them, mut to_us, mut plain, mut done) = (Vec::new(), Vec::new(), vec![0; 64 << 10], false);
    done |= ours.handshake(&[], &mut to_them).unwrap().done;
    while !done || theirs.is_handshaking() {
        theirs.write_tls(&mut to_us).unwrap();
        if !done {
            let progress = ours.handshake(&to_us, &mut to_them).unwrap();
            to_us.drain(..progress.taken);
            done = progress.done;
        }
        let mut incoming = &to_them[..];
        while !incoming.is_empty() {
            theirs.read_tls(&mut incoming).unwrap();
            theirs.process_new_packets().unwrap();
        }
        to_them.clear();
    }
    let mut word = [0; 8];
    ours.seal(b"question", &mut to_them).unwrap();
    theirs.read_tls(&mut &to_them[..]).unwrap();
    theirs.process_new_packets().unwrap();
    theirs.reader().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"question");
    // keys are changed in between, on both sides
    if ours.facts().unwrap().version == TlsVersion::Tls13 {
        theirs.refresh_traffic_keys().unwrap();
    }
    theirs.writer().write_all(b"answer").unwrap();
    while theirs.wants_write() {
        theirs.write_tls(&mut to_us).unwrap();
    }
    to_them.clear();
    let opened = ours.open(&to_us, &mut plain, &mut to_them).unwrap();
    assert_eq!(&plain[..opened.bytes], b"answer");
    ours.seal(b"goodbye!", &mut to_them).unwrap();
    ours.end(&mut to_them);
    theirs.read_tls(&mut &to_them[..]).unwrap();
    theirs.process_new_packets().unwrap();
    theirs.reader().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"goodbye!");
}

#[test]
fn rustls_is_talked_to_at_both_versions_and_changes_its_keys() {
    let ca = Authority::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots(&ca));
        let web = ca.workload(&[WEB]);
        let config = config.with_client_auth_cert(chain(&web), key(&web)).unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        let theirs = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut ours =
            Session::accept(&server(&of_host(&ca, "spiffe://default/redis"), &ca.trust(), &[])).unwrap();
        talk(&mut ours, &mut theirs.into());
        let facts = ours.facts().unwrap();
        assert_eq!((facts.peer.uris, facts.server_name.as_deref()), (vec![WEB.to_owned()], Some(HOST)));

        let verifier = WebPkiClientVerifier::builder_with_provider(roots(&ca), provider()).build().unwrap();
        let redis = of_host(&ca, "spiffe://default/redis");
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain(&redis), key(&redis))
            .unwrap();
        config.alpn_protocols = vec![b"kuma".to_vec()];
        let theirs = ServerConnection::new(Arc::new(config)).unwrap();
        let mut ours = Session::connect(&client(&ca.workload(&[WEB]), &ca.trust(), &[]), Some(HOST)).unwrap();
        talk(&mut ours, &mut theirs.into());
        let facts = ours.facts().unwrap();
        assert_eq!(
            (facts.alpn.as_deref(), facts.peer.uris[0].as_str()),
            (Some("kuma"), "spiffe://default/redis")
        );
    }
}
