//! Identities that a SPIRE agent hands out. There is no SPIRE here: the agent is played, by the messages and the method of the SPIFFE
//! Workload API over gRPC at a Unix socket, as SPIFFE publishes them. It attests nobody.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::{oneshot, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{UnixListenerStream, WatchStream};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, BoxStream, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::neighbours::{Neighbours, Proxy};
use super::stranger::{Authority, Certificate};
use crate::api;
use crate::program::{Program, ask, eventually, meshtcp};

#[derive(Clone, PartialEq, Message)]
struct Asked {}

#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(message, repeated, tag = "1")]
    svids: Vec<Svid>,
}

#[derive(Clone, PartialEq, Message)]
struct Svid {
    #[prost(string, tag = "1")]
    spiffe_id: String,
    #[prost(bytes = "vec", tag = "2")]
    chain: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    bundle: Vec<u8>,
}

/// The first value of this sort in a text, in DER.
fn der(text: &str, sort: &str) -> Vec<u8> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {sort}-----")).unwrap();
    let (body, _) = rest.split_once("-----END").unwrap();
    STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap()
}

/// What an agent tells a workload.
fn told(id: &str, certificate: &Certificate, authority: &Authority) -> Told {
    let text = certificate.text();
    let svid = Svid {
        spiffe_id: id.to_owned(),
        chain: der(&text, "CERTIFICATE"),
        key: der(&text, "PRIVATE KEY"),
        bundle: der(&authority.certificate(), "CERTIFICATE"),
    };
    Told { svids: vec![svid] }
}

/// The service, which tells each new value to whoever listens.
#[derive(Clone)]
struct Agent(watch::Receiver<Told>);

impl NamedService for Agent {
    const NAME: &'static str = "SpiffeWorkloadAPI";
}

impl Service<http::Request<Body>> for Agent {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert_eq!(request.uri().path(), "/SpiffeWorkloadAPI/FetchX509SVID");
        let agent = self.clone();
        let codec = ProstCodec::<Told, Asked>::default();
        Box::pin(async move { Ok(Grpc::new(codec).server_streaming(agent, request).await) })
    }
}

impl ServerStreamingService<Asked> for Agent {
    type Response = Told;
    type ResponseStream = BoxStream<Told>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        let is_workload = request.metadata().get("workload.spiffe.io").is_some_and(|it| it == "true");
        let told: BoxStream<Told> = Box::pin(WatchStream::new(self.0.clone()).map(Ok));
        Box::pin(async move {
            match is_workload {
                true => Ok(Response::new(told)),
                false => Err(Status::invalid_argument("security header missing")),
            }
        })
    }
}

/// An agent at a socket. It goes away with this, as a process that is killed does.
struct AtSocket {
    told: watch::Sender<Told>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl AtSocket {
    fn start(socket: &Path, first: Told) -> Self {
        let ((told, receiver), (stop, stopped)) = (watch::channel(first), oneshot::channel::<()>());
        let socket = socket.to_owned();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listening = UnixListenerStream::new(UnixListener::bind(&socket).unwrap());
                let serve = Server::builder().add_service(Agent(receiver)).serve_with_incoming(listening);
                tokio::select! { served = serve => served.unwrap(), _ = stopped => {} }
            });
            std::fs::remove_file(&socket).unwrap();
        });
        Self { told, stop: Some(stop), thread: Some(thread) }
    }

    fn says(&self, told: Told) {
        self.told.send_replace(told);
    }
}

impl Drop for AtSocket {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

fn id(service: &str) -> String {
    format!("spiffe://own.example/{service}")
}

/// Two proxies at agents, in a mesh that speaks plaintext so far.
struct Town {
    neighbours: Neighbours,
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Town {
    fn start() -> Self {
        let (neighbours, folder) = (Neighbours::of_services(), tempfile::tempdir().unwrap());
        let mut it = Self { neighbours, authority: Authority::another(), folder };
        (it.neighbours.redis, it.neighbours.web) = (Some(it.proxy("redis")), Some(it.proxy("web")));
        it.neighbours.are_in_sync();
        it
    }

    fn proxy(&self, service: &str) -> Proxy {
        let (name, socket) = (format!("{service}-1"), self.socket(service));
        let who = ["proxy", "--proxy", &name, "--control-plane", &self.neighbours.control_plane.xds];
        let how = ["--workers", "2", "--log", "-", "--admin", "127.0.0.1:0"];
        let agent = ["--spire-agent", socket.to_str().unwrap()];
        Proxy::Ours(Program::start(meshtcp(who.iter().chain(&how).chain(&agent))))
    }

    fn socket(&self, service: &str) -> PathBuf {
        self.folder.path().join(service)
    }

    /// What an agent tells the proxy of a service, for so many days.
    fn issued(&self, service: &str, days: u32) -> Told {
        let certificate = self.authority.signs(service, &[&id(service)], days);
        told(&id(service), &certificate, &self.authority)
    }

    /// What the proxy of `redis` refuses, as the control plane tells it.
    fn refusals(&self) -> String {
        let status = api::json(&self.neighbours.control_plane.api, "/_status?what=proxies");
        let proxies = status["proxies"].as_array().cloned().unwrap_or_default();
        let redis = proxies.into_iter().find(|it| it["proxy"] == "default/redis-1").unwrap_or_default();
        redis["refusals"].to_string()
    }

    /// A page of the admin server of `redis`.
    fn page(&self, path: &str) -> String {
        let Some(Proxy::Ours(program)) = &self.neighbours.redis else { panic!("it is ours") };
        let line = program.awaits_text(0, "admin: http://");
        let address = line.trim_start_matches("admin: http://");
        ask(address, path).1
    }

    /// Makes identities of agents, which everybody with that of `web` is let in by.
    fn identify(&self) {
        let allow = json!([{ "spiffeID": { "type": "Exact", "value": id("web") } }]);
        self.neighbours.put(
            "/meshes/default/meshtrafficpermissions/p",
            &json!({ "type": "MeshTrafficPermission", "mesh": "default", "name": "p",
                     "spec": { "rules": [{ "default": { "allow": allow } }] } }),
        );
        let identity = json!({
            "selector": { "dataplane": { "matchLabels": {} } },
            "spiffeID": { "trustDomain": "own.example", "path": "/{{ .Workload }}" },
            "provider": { "type": "Spire", "spire": { "agent": { "timeout": "1s" } } },
        });
        let document =
            json!({ "type": "MeshIdentity", "mesh": "default", "name": "identity", "spec": identity });
        // nobody runs it yet
        self.neighbours.control_plane.put("/meshes/default/meshidentities/identity", &document);
    }

    /// Waits until `redis` shows `web` a certificate, over TLS.
    fn is_secured(&self) {
        eventually(&format!("both prove who they are\n{}", self.neighbours.logs()), || {
            self.neighbours.dial().is_some_and(|mut connection| {
                connection.echo();
                let log = self.neighbours.logs();
                log.lines().any(|line| line.contains("listener=inbound") && line.contains(&id("web")))
            })
        });
    }
}

#[test]
fn who_has_an_identity_of_an_agent_asks_it_and_follows_what_is_renewed() {
    let town = Town::start();
    let mut from_before = town.neighbours.reaches("in plaintext, as nobody asks for identities");
    let warned = || town.neighbours.logs().matches("is not heard").count() == 2;
    eventually("each says that its agent is away", warned);
    town.identify();
    eventually("what needs a certificate is refused, with the reason", || {
        town.refusals().contains(&format!("no SPIRE agent has issued a certificate of {}", id("redis")))
    });
    from_before.echo();
    town.neighbours.reaches("what ran goes on").echo();

    let of_redis = AtSocket::start(&town.socket("redis"), town.issued("redis", 1));
    let _of_web = AtSocket::start(&town.socket("web"), town.issued("web", 1));
    town.is_secured();
    town.neighbours.are_in_sync();
    from_before.echo();
    let mut living = town.neighbours.dial().unwrap();
    let mut plain = town.neighbours.plain();
    plain.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    plain.write_all(b"hello\n").unwrap();
    let mut heard = String::new();
    // the end may come as a reset
    let _ = plain.read_to_string(&mut heard);
    assert_eq!(heard, "", "plaintext is not taken any more");

    let answers = || -> Value {
        let status: Value = serde_json::from_str(&town.page("/status")).unwrap();
        assert_eq!(status["spireAgent"]["connected"], true, "{status}");
        status["spireAgent"]["answers"].clone()
    };
    let before = answers().as_u64().unwrap();
    of_redis.says(town.issued("redis", 2));
    eventually("the renewal is heard", || answers() == before + 1);
    town.neighbours.reaches("what is renewed is shown").echo();
    living.echo();
    assert!(town.page("/metrics").contains("meshtcp_tls_certificate_end_seconds"));
    let key = town.issued("redis", 1).svids[0].key.clone();
    let shown = format!("{}{}", town.neighbours.logs(), town.page("/status"));
    assert!(!shown.contains("PRIVATE KEY") && !shown.contains(&STANDARD.encode(key)));
}

#[test]
fn what_an_agent_says_wrongly_or_not_at_all_costs_nobody_what_he_has() {
    let town = Town::start();
    town.identify();
    let of_redis = AtSocket::start(&town.socket("redis"), town.issued("redis", 1));
    let _of_web = AtSocket::start(&town.socket("web"), town.issued("web", 1));
    town.is_secured();
    let mut living = town.neighbours.dial().unwrap();

    // by somebody who is not of the trust domain
    let stranger = Authority::another();
    let another = stranger.signs("redis", &[&id("redis")], 1);
    of_redis.says(told(&id("redis"), &another, &town.authority));
    town.neighbours.is_kept_out("whom nobody vouches for is not believed");
    of_redis.says(town.issued("redis", 0));
    town.neighbours.is_kept_out("what has expired is not believed");
    // under the name of the workload, and of somebody else
    let other = town.authority.signs("redis", &[&id("api")], 1);
    of_redis.says(told(&id("redis"), &other, &town.authority));
    town.neighbours.is_kept_out("who is somebody else is not believed");
    of_redis.says(town.issued("redis", 1));
    town.neighbours.reaches("the right one again").echo();

    // what it issues is not for this proxy any more, or nothing that can be read
    of_redis.says(told(&id("api"), &other, &town.authority));
    let wrong = format!("the SPIRE agent issues no certificate of {}, but of {}", id("redis"), id("api"));
    eventually("it is told", || town.neighbours.logs().contains(&wrong));
    town.neighbours.reaches("the last good one is kept").echo();
    let mut broken = town.issued("redis", 1);
    broken.svids[0].chain.truncate(100);
    of_redis.says(broken);
    eventually("it is told", || town.neighbours.logs().contains("sent a certificate that is none"));
    town.neighbours.reaches("the last good one is kept").echo();

    drop(of_redis);
    eventually("its absence is told", || {
        town.page("/metrics").lines().any(|line| line == "meshtcp_spire_agent_connected 0")
    });
    living.echo();
    town.neighbours.reaches("without an agent").echo();
    let _of_redis = AtSocket::start(&town.socket("redis"), town.issued("redis", 1));
    eventually("it is heard again", || {
        town.page("/metrics").lines().any(|line| line == "meshtcp_spire_agent_connected 1")
    });
    town.neighbours.reaches("with an agent").echo();
    living.echo();
    let guide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/metrics.md")).unwrap();
    for line in town.page("/metrics").lines().filter_map(|line| line.strip_prefix("# TYPE meshtcp_spire_")) {
        let name = line.split(' ').next().unwrap();
        assert!(guide.contains(&format!("`meshtcp_spire_{name}`")), "{name}");
    }
}
