//! TLS to services outside the mesh, which are those of OpenSSL: verification of the service, and the client
//! certificate.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../tls/tests/support/authority.rs"]
mod authority;
#[path = "support/openssl.rs"]
mod openssl;
mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;

use ::l4::Ending;
use ::l4::config::Identity;
use ::l4::hello::read_hello;
use authority::Authority;
use meshtcp_proxy::{ConnectionLog, HostAuthorities, LineFormat, Options, Proxy};
use openssl::{Outside, names};
use support::{Mesh, Server, counters, dial, free_address, options, wait_until};
use xds::proto::l4::{Certificate, NamePattern, OutsideTls, Secret, Trust};

const DB: &str = "db.example.com";

fn exact(name: &str) -> NamePattern {
    NamePattern { exact: name.into(), ..NamePattern::default() }
}

/// TLS to a service that must have one of these names, signed by an authority.
fn secured(ca: &Authority, name: &str) -> OutsideTls {
    OutsideTls {
        server_name: if name.parse::<IpAddr>().is_ok() { String::new() } else { name.into() },
        anchors_pem: ca.pem.clone(),
        dns_names: vec![exact(name)],
        addresses: vec![exact(name)],
        ..OutsideTls::default()
    }
}

/// Starts a proxy that dials the service, and returns its address for clients.
fn before(to: SocketAddr, tls: OutsideTls, secrets: Vec<Secret>, options: Options) -> (Proxy, SocketAddr) {
    let door = free_address();
    let mut mesh = Mesh::new(door).backend("db", 1, &[to]);
    mesh.clusters[0].0.outside_tls = Some(tls);
    mesh.secrets = secrets;
    let proxy = Proxy::start(options).unwrap();
    let report = proxy.apply(mesh.config());
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    (proxy, door)
}

/// Returns the service's answer to a line; `None`: there was none.
fn answer(door: SocketAddr) -> Option<String> {
    let mut client = dial(door);
    client.write_all(b"hello\n").ok()?;
    let mut answer = [0; 6];
    client.read_exact(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn is_served(to: &Outside, tls: OutsideTls, secrets: Vec<Secret>) -> bool {
    let (proxy, door) = before(to.at, tls, secrets, options());
    let answer = answer(door);
    match &answer {
        Some(said) => assert_eq!(said, "olleh\n"),
        // in TLS 1.3 a server rejects a client only after the handshake
        None => wait_until("it is counted", || {
            let ended = counters(&proxy).ended;
            [Ending::ConnectTls, Ending::TlsBroken, Ending::BackendReset, Ending::BackendClosed]
                .iter()
                .any(|ending| ended.get(ending) == Some(&1))
        }),
    }
    answer.is_some()
}

#[test]
fn who_has_the_name_and_the_authority_is_the_service() {
    let (ca, past) = (Authority::new(), rcgen::date_time_ymd(2020, 1, 1));
    let at = |identity: &Identity, more: &[&str]| Outside::start(identity, more);
    let right = at(&names(&ca, &[DB], |_| {}), &[]);
    assert!(is_served(&right, secured(&ca, DB), vec![]));
    assert!(!is_served(&right, secured(&ca, "other.example.com"), vec![]), "another name");
    assert!(!is_served(&right, secured(&Authority::new(), DB), vec![]), "another authority");
    let old = at(&names(&ca, &[DB], |_| {}), &["-tls1_2"]);
    assert!(is_served(&old, secured(&ca, DB), vec![]), "TLS 1.2");
    let new_only = OutsideTls { min_version: xds::proto::l4::TlsVersion::Tls13.into(), ..secured(&ca, DB) };
    assert!(!is_served(&old, new_only, vec![]), "1.3 is the least");
    let wildcard = at(&names(&ca, &["*.example.com"], |_| {}), &[]);
    assert!(is_served(&wildcard, secured(&ca, DB), vec![]));
    let expired = names(&ca, &[DB], |leaf| (leaf.not_before, leaf.not_after) = (past, past));
    assert!(!is_served(&at(&expired, &[]), secured(&ca, DB), vec![]), "expired");
    let by_address = at(&names(&ca, &["127.0.0.9"], |_| {}), &[]);
    assert!(is_served(&by_address, secured(&ca, "127.0.0.9"), vec![]), "an address, and no server name");
    assert!(!is_served(&by_address, secured(&ca, "127.0.0.8"), vec![]), "another address");
    let begins = NamePattern { prefix: "db.".into(), ..NamePattern::default() };
    let wider = OutsideTls { dns_names: vec![exact("x"), begins], ..secured(&ca, DB) };
    assert!(is_served(&right, wider, vec![]), "one of several names");
    // what most tools make for a single server: it signs itself, and may sign others
    let alone = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![DB.to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&alone).unwrap().pem();
    let identity = Identity { chain: pem.as_str().into(), key: alone.serialize_pem().into() };
    let by_itself = OutsideTls { anchors_pem: pem, ..secured(&ca, DB) };
    assert!(is_served(&at(&identity, &[]), by_itself, vec![]), "its certificate is the authority");
}

#[test]
fn less_is_verified_where_less_is_asked() {
    let (ca, past) = (Authority::new(), rcgen::date_time_ymd(2020, 1, 1));
    let other = Outside::start(&names(&ca, &["other.example.com"], |_| {}), &[]);
    let any_name = |ca: &Authority| OutsideTls { dns_names: vec![], addresses: vec![], ..secured(ca, DB) };
    assert!(is_served(&other, any_name(&ca), vec![]), "any name");
    assert!(!is_served(&other, any_name(&Authority::new()), vec![]), "any name, but not any authority");
    let expired = names(&ca, &[DB], |leaf| (leaf.not_before, leaf.not_after) = (past, past));
    let anybody = OutsideTls { anybody: true, server_name: DB.into(), ..OutsideTls::default() };
    for more in [&[][..], &["-tls1_2"]] {
        assert!(
            is_served(&Outside::start(&expired, more), anybody.clone(), vec![]),
            "whoever answers {more:?}"
        );
    }
}

#[test]
fn whom_the_host_believes_vouches_where_nobody_says_who() {
    let (ca, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let service = Outside::start(&names(&ca, &[DB], |_| {}), &[]);
    let tls = OutsideTls { anchors_pem: String::new(), ..secured(&ca, DB) };
    let file = folder.path().join("host.pem");
    let unusable = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
    std::fs::write(&file, format!("# of the host\n{unusable}{}", ca.pem)).unwrap();
    let on_host =
        |path: &std::path::Path| Options { host_authorities: HostAuthorities::in_file(path), ..options() };
    let (proxy, door) = before(service.at, tls.clone(), vec![], on_host(&file));
    assert_eq!(answer(door).as_deref(), Some("olleh\n"));
    assert!(!proxy.read_host_authorities(), "nothing has changed");
    std::fs::write(&file, &Authority::new().pem).unwrap();
    assert_eq!(answer(door).as_deref(), Some("olleh\n"), "it was not read again yet");
    assert!(proxy.read_host_authorities());
    assert_eq!(answer(door), None, "the host believes somebody else now");
    std::fs::write(&file, &ca.pem).unwrap();
    assert!(proxy.read_host_authorities());
    assert_eq!(answer(door).as_deref(), Some("olleh\n"));
    std::fs::write(&file, &Authority::new().pem).unwrap();
    let (_proxy, door) = before(service.at, tls.clone(), vec![], on_host(&file));
    assert_eq!(answer(door), None, "the host believes somebody else");
    let (_proxy, door) = before(service.at, tls, vec![], on_host(&folder.path().join("none")));
    assert_eq!(answer(door), None, "the host believes nobody");
}

#[test]
fn a_service_that_wants_a_certificate_gets_the_one_that_it_is_to_be_shown() {
    let (ca, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("clients.pem");
    std::fs::write(&file, &ca.pem).unwrap();
    let wants = ["-Verify", "1", "-verify_return_error", "-CAfile", file.to_str().unwrap()];
    let certificate = |ca: &Authority| {
        let Identity { chain, key } = names(ca, &["web.example.com"], |_| {});
        let certificate = Certificate { chain_pem: chain.to_string(), key_pem: key.to_string() };
        vec![Secret { name: "shown".into(), certificate: Some(certificate), trust: None }]
    };
    let shows = || OutsideTls { certificate: "shown".into(), ..secured(&ca, DB) };
    for version in ["-tls1_3", "-tls1_2"] {
        let more = [&wants[..], &[version]].concat();
        let service = Outside::start(&names(&ca, &[DB], |_| {}), &more);
        assert!(is_served(&service, shows(), certificate(&ca)), "{version}");
        assert!(
            !is_served(&service, shows(), certificate(&Authority::new())),
            "{version}: another authority"
        );
        assert!(!is_served(&service, secured(&ca, DB), vec![]), "{version}: none");
    }
    // a service that does not ask gets none, and works
    let service = Outside::start(&names(&ca, &[DB], |_| {}), &[]);
    assert!(is_served(&service, shows(), certificate(&ca)));
    let (proxy, door) = before(service.at, shows(), vec![], options());
    assert_eq!(answer(door), None, "what is to be shown has not arrived");
    wait_until("it is counted", || counters(&proxy).ended.get(&Ending::BackendUnavailable) == Some(&1));
}

#[test]
fn authorities_come_as_a_secret_too() {
    let ca = Authority::new();
    let service = Outside::start(&names(&ca, &[DB], |_| {}), &[]);
    let tls = OutsideTls { trust: "external".into(), anchors_pem: String::new(), ..secured(&ca, DB) };
    let trust = Trust { anchors_pem: ca.pem.clone(), domains: Vec::new() };
    let secret = Secret { name: "external".into(), certificate: None, trust: Some(trust) };
    assert!(is_served(&service, tls.clone(), vec![secret]));
    let (proxy, door) = before(service.at, tls, vec![], options());
    assert_eq!(answer(door), None);
    wait_until("nobody is dialled", || counters(&proxy).ended.get(&Ending::BackendUnavailable) == Some(&1));
}

#[test]
fn the_server_name_is_asked_for_as_it_is_said_and_no_protocol_is_offered() {
    let ca = Authority::new();
    for name in [DB, "127.0.0.9"] {
        let (tell, told) = mpsc::channel();
        let service = Server::start(move |mut stream| {
            let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                bytes.extend_from_slice(&chunk[..read]);
                if let Ok(Some(hello)) = read_hello(&bytes) {
                    let _ =
                        tell.send((hello.server_name.map(|name| name.to_string()), hello.protocols.len()));
                    return;
                }
            }
        });
        let (_proxy, door) = before(service.address, secured(&ca, name), vec![], options());
        assert_eq!(answer(door), None);
        let asked = told.recv_timeout(support::PATIENCE).unwrap();
        assert_eq!(asked, ((name == DB).then(|| DB.to_owned()), 0));
    }
}

#[test]
fn the_log_says_how_the_service_was_spoken_to_and_why_not() {
    let (ca, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let log = folder.path().join("connections.log");
    let logged = || {
        let sink = ::l4::config::LogSink::File(log.to_str().unwrap().into());
        Options { connection_log: Some(ConnectionLog { sink, format: LineFormat::Text }), ..options() }
    };
    let service = Outside::start(&names(&ca, &[DB], |_| {}), &[]);
    let (_good, door) = before(service.at, secured(&ca, DB), vec![], logged());
    assert!(answer(door).is_some());
    let (_bad, door) = before(service.at, secured(&ca, "other.example.com"), vec![], logged());
    assert_eq!(answer(door), None);
    let mut lines = String::new();
    wait_until("both are logged", || {
        lines = std::fs::read_to_string(&log).unwrap_or_default();
        lines.lines().count() == 2
    });
    assert!(lines.contains("backend_tls=1.3"), "{lines}");
    let bad = lines.lines().find(|line| line.contains("tls_error=")).unwrap_or_else(|| panic!("{lines}"));
    assert!(bad.contains("tls_error=backend:name-not-allowed") && bad.contains(DB), "{bad}");
}

#[test]
fn what_is_wrong_with_a_message_is_all_told() {
    let mut mesh = Mesh::new(free_address()).backend("db", 1, &[free_address()]);
    mesh.clusters[0].0.outside_tls = Some(OutsideTls {
        server_name: "x".repeat(256),
        dns_names: vec![NamePattern::default()],
        addresses: vec![exact("127.0.0.1"), NamePattern { exact: "a".into(), prefix: "a".into() }],
        min_version: 2,
        max_version: 1,
        ..OutsideTls::default()
    });
    mesh.clusters[0].0.tls = Some(xds::proto::l4::ClientTls::default());
    let problems = ::l4::Config::parse(&[(::l4::ProxyName::from("web"), &mesh.resources())]).unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    for wanted in [
        "outside_tls",
        "outside_tls.server_name",
        "outside_tls.dns_names[0]",
        "outside_tls.addresses[1]",
        "outside_tls.min_version",
    ] {
        assert!(fields.contains(&wanted), "{wanted} is not in {fields:?}");
    }
}
