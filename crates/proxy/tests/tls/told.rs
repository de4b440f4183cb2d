//! What the log and refusals of configurations say.

use meshtcp_proxy::Proxy;

use super::{REDIS, SNI, WEB};
use crate::authority::Authority;
use crate::support::{Mesh, Server, echo, free_address, options, wait_until};
use crate::wire::{Peer, inbound};

#[test]
fn the_log_says_who_spoke_how_and_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("connections.log");
    let sink = ::l4::config::LogSink::File(log.to_str().unwrap().into());
    let options = meshtcp_proxy::Options {
        connection_log: Some(meshtcp_proxy::ConnectionLog { sink, format: meshtcp_proxy::LineFormat::Text }),
        ..options()
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
