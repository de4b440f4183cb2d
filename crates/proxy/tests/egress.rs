//! Egress: TLS of several meshes is terminated at one address, by server name, and destinations outside are
//! dialled.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../tls/tests/support/authority.rs"]
mod authority;
#[path = "support/openssl.rs"]
mod openssl;
mod support;
#[path = "support/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::SocketAddr;

use ::l4::Ending;
use authority::Authority;
use meshtcp_proxy::{ConnectionLog, LineFormat, Options, Proxy};
use openssl::{Outside, names};
use support::{Mesh, Server, counters, dial, echo, free_address, options, wait_until};
use wire::Peer;
use xds::proto::l4::{
    Certificate, ClientTls, NamePattern, OutsideTls, Peer as Who, PeerCondition, PeerFact, PermissionRule,
    Permissions, Route, Secret, ServerName, ServerTls, TlsTerms, Trust,
};

const DB: &str = "db.example.com";

/// Mesh that leaves by the egress.
struct LeavingMesh {
    name: &'static str,
    ca: Authority,
}

impl LeavingMesh {
    fn new(name: &'static str) -> Self {
        Self { name, ca: Authority::new() }
    }

    fn server_name(&self) -> String {
        format!("db{{mesh={}}}", self.name)
    }

    fn secrets(&self) -> [Secret; 2] {
        let own = self.ca.workload(&[&format!("spiffe://{}/zone-egress", self.name)]);
        let certificate = Certificate { chain_pem: own.chain.to_string(), key_pem: own.key.to_string() };
        let trust = Trust { anchors_pem: self.ca.pem.clone(), domains: Vec::new() };
        [
            Secret { name: format!("own:{}", self.name), certificate: Some(certificate), trust: None },
            Secret { name: format!("ca:{}", self.name), certificate: None, trust: Some(trust) },
        ]
    }

    /// Returns the termination of its TLS, for clients of the mesh that are `web`.
    fn claims(&self) -> ServerName {
        let prefix = format!("spiffe://{}/", self.name);
        let terms = TlsTerms {
            certificate: format!("own:{}", self.name),
            trust: format!("ca:{}", self.name),
            names: vec![NamePattern { prefix, ..NamePattern::default() }],
            ..TlsTerms::default()
        };
        let web = PeerCondition { fact: PeerFact::HasName.into(), value: self.uri("web") };
        let allow = PermissionRule { peers: vec![Who { conditions: vec![web] }], allows: true, origin: None };
        ServerName {
            pattern: self.server_name(),
            route: self.name.to_owned(),
            tls: Some(ServerTls { permissive: false, terms: Some(terms) }),
            permissions: Some(Permissions { rules: vec![allow], shadow_denied: Vec::new() }),
        }
    }

    fn uri(&self, service: &str) -> String {
        format!("spiffe://{}/{service}", self.name)
    }

    /// Does a handshake as a service of the mesh.
    fn dials(&self, at: SocketAddr, service: &str, server_name: &str) -> Option<Peer> {
        Peer::connect(at, &self.ca.workload(&[&self.uri(service)]), &self.ca.pem, server_name).ok()
    }
}

/// Egress at which `shop` reaches a service in plaintext, `bank` one over TLS, and one name is passed on as it is.
struct Egress {
    shop: LeavingMesh,
    bank: LeavingMesh,
    plain: Server,
    _secured: Outside,
    passed: Server,
    proxy: Proxy,
    at: SocketAddr,
}

impl Egress {
    fn start(options: Options) -> Self {
        let (shop, bank, outside, at) =
            (LeavingMesh::new("shop"), LeavingMesh::new("bank"), Authority::new(), free_address());
        let (plain, passed) = (Server::start(echo), Server::start(echo));
        let secured = Outside::start(&names(&outside, &[DB], |_| {}), &[]);
        let mut mesh = Mesh::new(at)
            .backend("plain", 1, &[plain.address])
            .backend("secured", 1, &[secured.at])
            .backend("passed", 1, &[passed.address]);
        let exact = NamePattern { exact: DB.into(), ..NamePattern::default() };
        mesh.clusters[1].0.outside_tls = Some(OutsideTls {
            server_name: DB.into(),
            anchors_pem: outside.pem.clone(),
            dns_names: vec![exact],
            ..OutsideTls::default()
        });
        mesh.secrets = [shop.secrets(), bank.secrets()].concat();
        mesh.listener.route.clear();
        let passes = ServerName {
            pattern: "passed{mesh=shop}".into(),
            route: "passed".into(),
            ..ServerName::default()
        };
        mesh.listener.server_names = vec![shop.claims(), bank.claims(), passes];
        let mut set = mesh.resources();
        let routes = ["shop", "bank", "passed"].into_iter().zip(&mesh.route.backends);
        for (name, backend) in routes {
            let route = Route { name: name.into(), backends: vec![backend.clone()], ..Route::default() };
            set.insert_message(name.to_owned(), &route);
        }
        let proxy = Proxy::start(options).unwrap();
        let config = ::l4::Config::parse(&[(::l4::ProxyName::from("web"), &set)]).unwrap();
        let report = proxy.apply(config);
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        Self { shop, bank, plain, _secured: secured, passed, proxy, at }
    }

    fn ended(&self, ending: Ending) -> u64 {
        counters(&self.proxy).ended.get(&ending).copied().unwrap_or_default()
    }
}

#[test]
fn the_server_name_says_of_which_mesh_a_client_is_and_where_it_goes() {
    let egress = Egress::start(options());
    let Egress { shop, bank, at, .. } = &egress;
    let mut web = shop.dials(*at, "web", "DB{mesh=shop}").unwrap();
    assert_eq!(web.server().uris, ["spiffe://shop/zone-egress"]);
    assert_eq!(web.talk(b"hello\n").unwrap(), b"hello\n");
    let mut web = bank.dials(*at, "web", &bank.server_name()).unwrap();
    assert_eq!(web.server().uris, ["spiffe://bank/zone-egress"]);
    let (mut said, mut length) = (web.talk(b"hello\n").unwrap(), 0);
    while said.len() < 6 && length < said.len() {
        length = said.len();
        said.extend(web.talk(b"").unwrap());
    }
    assert_eq!(said, b"olleh\n", "TLS at both ends");
    // a client that is passed on proves nothing here
    let hello =
        Peer::hello(&shop.ca.workload(&[&shop.uri("web")]), &shop.ca.pem, "passed{mesh=shop}", &["kuma"]);
    let mut client = dial(*at);
    client.write_all(&hello).unwrap();
    let mut back = vec![0; hello.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == hello, "the hello is what the other end gets");
    assert_eq!((egress.plain.accepted(), egress.passed.accepted()), (1, 1));
}

#[test]
fn who_is_of_another_mesh_or_may_not_reaches_nobody() {
    let egress = Egress::start(options());
    let Egress { shop, bank, at, .. } = &egress;
    // the egress proves to be of `bank`, which a client of `shop` does not trust
    assert!(shop.dials(*at, "web", &bank.server_name()).is_none(), "another mesh");
    wait_until("it is counted", || egress.ended(Ending::TlsFailed) == 1);
    // the egress detects a client that trusts it and has a certificate of another mesh
    let stranger =
        Peer::connect(*at, &shop.ca.workload(&[&bank.uri("web")]), &bank.ca.pem, &bank.server_name());
    assert!(stranger.and_then(|mut it| it.talk(b"hello\n")).is_err(), "another mesh's CA");
    let named = Peer::connect(*at, &bank.ca.workload(&[&shop.uri("web")]), &bank.ca.pem, &bank.server_name());
    assert!(named.and_then(|mut it| it.talk(b"hello\n")).is_err(), "another mesh's name");
    wait_until("both are counted", || egress.ended(Ending::TlsFailed) == 3);
    let mut api = shop.dials(*at, "api", &shop.server_name()).unwrap();
    assert!(api.talk(b"hello\n").is_err(), "nobody lets it in");
    wait_until("it is counted", || egress.ended(Ending::Denied) == 1);
    assert!(shop.dials(*at, "web", "db{mesh=other}").is_none(), "nobody has that name");
    wait_until("it is counted", || egress.ended(Ending::NoServerName) == 1);
    dial(*at).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    wait_until("plaintext is refused", || egress.ended(Ending::BadHello) == 1);
    assert_eq!((egress.plain.accepted(), egress.passed.accepted()), (0, 0));
}

#[test]
fn the_log_says_who_left_which_mesh() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("connections.log");
    let sink = ::l4::config::LogSink::File(log.to_str().unwrap().into());
    let egress = Egress::start(Options {
        connection_log: Some(ConnectionLog { sink, format: LineFormat::Text }),
        ..options()
    });
    let mut web = egress.bank.dials(egress.at, "web", &egress.bank.server_name()).unwrap();
    web.talk(b"hello\n").unwrap();
    drop(web);
    let mut lines = String::new();
    wait_until("it is logged", || {
        lines = std::fs::read_to_string(&log).unwrap_or_default();
        lines.ends_with('\n')
    });
    for word in ["peer=spiffe://bank/web", "tls=1.3", "backend_tls=1.3", "server_name=\"db{mesh=bank}\""] {
        assert!(lines.contains(word), "{word}: {lines}");
    }
}

#[test]
fn one_mesh_whose_certificate_is_missing_leaves_the_other_alone() {
    let (shop, bank, at) = (LeavingMesh::new("shop"), LeavingMesh::new("bank"), free_address());
    let plain = Server::start(echo);
    let mut mesh = Mesh::new(at).backend("plain", 1, &[plain.address]);
    mesh.secrets = shop.secrets().to_vec();
    let route = mesh.route.name.clone();
    let claim = |of: &LeavingMesh| ServerName { route: route.clone(), ..of.claims() };
    mesh.listener.server_names = vec![claim(&shop), claim(&bank)];
    mesh.listener.route.clear();
    let proxy = support::proxy(&mesh);
    assert!(bank.dials(at, "web", &bank.server_name()).is_none());
    wait_until("it is counted", || counters(&proxy).ended.get(&Ending::NoIdentity) == Some(&1));
    let mut web = shop.dials(at, "web", &shop.server_name()).unwrap();
    assert_eq!(web.talk(b"hello").unwrap(), b"hello");
}

#[test]
fn a_cluster_of_the_mesh_and_one_of_the_outside_are_told_apart() {
    let mut mesh = Mesh::new(free_address()).backend("both", 1, &[free_address()]);
    mesh.clusters[0].0.tls = Some(ClientTls::default());
    mesh.clusters[0].0.outside_tls = Some(OutsideTls { anybody: true, ..OutsideTls::default() });
    let problems = ::l4::Config::parse(&[(::l4::ProxyName::from("web"), &mesh.resources())]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.field == "outside_tls"), "{problems}");
}
