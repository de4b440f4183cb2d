//! Control plane, `web` beside a client, and `redis` beside an application that greets and echoes.

use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::stranger::Authority;
use crate::api::{self, ask};
use crate::attach::envoy::{Envoy, Protocol};
use crate::backend::{free_ports, serve};
use crate::connection::Connection;
use crate::program::{Program, eventually, meshtcp};
use crate::store::ControlPlane;

/// Data plane that a proxy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Ours,
    Envoy,
}

/// Running proxy of either sort; held until the end of the test.
pub(crate) enum Proxy {
    Ours(Program),
    Envoy(Envoy),
}

impl Proxy {
    pub(crate) fn start(sort: Sort, name: &str, control_plane: &ControlPlane) -> Self {
        match sort {
            Sort::Ours => {
                let who = ["proxy", "--proxy", name, "--control-plane", &control_plane.xds];
                let how = ["--workers", "2", "--log", "-"];
                Self::Ours(Program::start(meshtcp(who.iter().chain(&how))))
            }
            Sort::Envoy => Self::Envoy(Envoy::start_at(name, &control_plane.xds, Protocol::Delta)),
        }
    }

    /// Its output, for the message of a failed test.
    pub(crate) fn log(&self) -> String {
        match self {
            Self::Ours(program) => program.printed(),
            Self::Envoy(envoy) => envoy.log(),
        }
    }
}

/// The two neighbours, and their mesh.
pub(super) struct Neighbours {
    pub(super) control_plane: ControlPlane,
    pub(super) web: Option<Proxy>,
    pub(super) redis: Option<Proxy>,
    /// Port at which the client of `web` dials `redis`.
    pub(super) outbound: u16,
    /// Port at which the proxy of `redis` accepts connections of the mesh.
    pub(super) inbound: u16,
}

/// Runs a test with each sort of client at each sort of server.
pub(super) fn of_every_pair(test: impl Fn(Sort, Sort)) {
    for client in [Sort::Ours, Sort::Envoy] {
        for server in [Sort::Ours, Sort::Envoy] {
            println!("{client:?} dials {server:?}");
            test(client, server);
        }
    }
}

/// Mesh with a `builtin` CA.
pub(super) fn mesh(mode: &str, expiration: &str) -> Value {
    json!({ "type": "Mesh", "name": "default", "mtls": { "enabledBackend": "ca-1", "backends": [{
        "name": "ca-1", "type": "builtin", "mode": mode, "dpCert": { "rotation": { "expiration": expiration } },
    }] } })
}

/// Permission for `redis`: clients (a service, or all) and their action.
pub(super) fn permission(rules: &[(Option<&str>, &str)]) -> Value {
    let from = |(who, action): &(Option<&str>, &str)| {
        let target = match who {
            Some(service) => json!({ "kind": "MeshService", "name": service }),
            None => json!({ "kind": "Mesh" }),
        };
        json!({ "targetRef": target, "default": { "action": action } })
    };
    let rules: Vec<Value> = rules.iter().map(from).collect();
    json!({ "type": "MeshTrafficPermission", "mesh": "default", "name": "redis", "spec": {
        "targetRef": { "kind": "MeshSubset", "tags": { "kuma.io/service": "redis" } }, "from": rules,
    } })
}

impl Neighbours {
    /// Starts all of it in this mesh, and waits until both proxies run what they should.
    pub(super) fn start(client: Sort, server: Sort, mesh: &Value) -> Self {
        let mut it = Self::without_proxies("memory", mesh);
        it.attach(client, server);
        it
    }

    /// Starts both proxies, and waits until they run what they should.
    pub(super) fn attach(&mut self, client: Sort, server: Sort) {
        self.redis = Some(Proxy::start(server, "redis-1", &self.control_plane));
        self.web = Some(Proxy::start(client, "web-1", &self.control_plane));
        self.are_in_sync();
    }

    /// Ends the control plane, runs `meanwhile`, and starts another at its addresses.
    pub(super) fn restart_control_plane(&mut self, store: &str, meanwhile: impl FnOnce(&Self)) {
        self.control_plane.program.signal(rustix::process::Signal::TERM);
        assert_eq!(self.control_plane.program.ends(), 0, "{}", self.control_plane.program.printed());
        meanwhile(self);
        let (api, xds) = (self.control_plane.api.clone(), self.control_plane.xds.clone());
        self.control_plane = ControlPlane::start_at(store, &api, &xds, &[]);
    }

    /// Starts a mesh of real services whose proxies have identities of their workloads.
    pub(super) fn of_workloads(client: Sort, server: Sort) -> Self {
        let bundled = json!({ "insecureAllowSelfSigned": true, "autogenerate": { "enabled": true } });
        let mut it = Self::of_services();
        it.identify(&json!({
            "selector": { "dataplane": { "matchLabels": {} } },
            "provider": { "type": "Bundled", "bundled": bundled },
        }));
        it.attach(client, server);
        it
    }

    /// The control plane and the application alone, in a mesh of real services without identities.
    pub(super) fn of_services() -> Self {
        let mesh = json!({ "type": "Mesh", "name": "default", "meshServices": { "mode": "Exclusive" } });
        let outbound = json!({ "backendRef": { "kind": "MeshService", "name": "redis", "port": 6379 } });
        let it = Self::with_outbound("memory", &mesh, outbound);
        it.put(
            "/meshes/default/meshservices/redis",
            &json!({ "type": "MeshService", "mesh": "default", "name": "redis", "spec": {
                "selector": { "dataplaneTags": { "kuma.io/service": "redis" } },
                "ports": [{ "port": 6379, "targetPort": it.inbound, "appProtocol": "tcp" }],
            } }),
        );
        it
    }

    /// Makes the MeshIdentity of the mesh.
    pub(super) fn identify(&self, spec: &Value) {
        let identity = json!({ "type": "MeshIdentity", "mesh": "default", "name": "identity", "spec": spec });
        self.put("/meshes/default/meshidentities/identity", &identity);
    }

    /// Starts the control plane and the application alone.
    pub(super) fn without_proxies(store: &str, mesh: &Value) -> Self {
        Self::with_outbound(store, mesh, json!({ "tags": { "kuma.io/service": "redis" } }))
    }

    fn with_outbound(store: &str, mesh: &Value, mut to_redis: Value) -> Self {
        let [outbound, own, inbound, application] = free_ports();
        let control_plane = ControlPlane::start(store, &[]);
        serve(application, "redis");
        let it = Self { control_plane, web: None, redis: None, outbound, inbound };
        to_redis["port"] = outbound.into();
        it.put("/meshes/default", mesh);
        it.put(
            "/meshes/default/dataplanes/redis-1",
            &json!({ "type": "Dataplane", "mesh": "default", "name": "redis-1",
                     "labels": { "app": "redis", "kuma.io/workload": "redis" }, "networking": {
                "address": "127.0.0.1",
                "inbound": [{ "port": inbound, "servicePort": application,
                              "tags": { "kuma.io/service": "redis", "kuma.io/protocol": "tcp", "version": "v1" } }],
            } }),
        );
        it.put(
            "/meshes/default/dataplanes/web-1",
            &json!({ "type": "Dataplane", "mesh": "default", "name": "web-1",
                     "labels": { "app": "web", "kuma.io/workload": "web" }, "networking": {
                "address": "127.0.0.1",
                "inbound": [{ "port": own, "tags": { "kuma.io/service": "web", "kuma.io/protocol": "tcp" } }],
                "outbound": [to_redis],
            } }),
        );
        it
    }

    /// Starts all of it with a permission for everybody.
    pub(super) fn open(client: Sort, server: Sort, mesh: &Value) -> Self {
        let it = Self::start(client, server, mesh);
        it.permit(&[(None, "Allow")]);
        it.reaches("a permitted client is served");
        it
    }

    /// Puts a document, and waits until it is live.
    pub(super) fn put(&self, path: &str, document: &Value) {
        let revision = self.control_plane.put(path, document);
        self.control_plane.is_live(revision);
    }

    pub(super) fn permit(&self, rules: &[(Option<&str>, &str)]) {
        self.put("/meshes/default/meshtrafficpermissions/redis", &permission(rules));
    }

    pub(super) fn forbid(&self) {
        let (status, body) =
            ask(&self.control_plane.api, "DELETE /meshes/default/meshtrafficpermissions/redis");
        assert_eq!(status, 200, "{body}");
    }

    pub(super) fn are_in_sync(&self) {
        eventually("both run what they should", || {
            let status = api::json(&self.control_plane.api, "/_status?what=proxies");
            let proxies = status["proxies"].as_array().cloned().unwrap_or_default();
            let refused = proxies.iter().any(|it| it["refusals"].as_array().is_some_and(|it| !it.is_empty()));
            assert!(!refused, "{status:#}");
            proxies.iter().filter(|it| it["inSync"] == true).count() == 2
        });
    }

    /// Waits until the client of `web` is greeted.
    pub(super) fn reaches(&self, what: &str) -> Connection {
        let mut reached = None;
        eventually(&format!("{what}\n{}", self.logs()), || {
            reached = self.dial();
            reached.is_some()
        });
        reached.unwrap()
    }

    /// Waits until the client of `web` is refused: it gets no echo, whatever it reads.
    pub(super) fn is_kept_out(&self, what: &str) {
        eventually(what, || self.dial().is_none_or(|mut connection| connection.lives().is_none()));
    }

    pub(super) fn dial(&self) -> Option<Connection> {
        let mut connection = Connection::open(self.outbound)?;
        connection.lives()?;
        Some(connection)
    }

    /// Plaintext client at the inbound of `redis`.
    pub(super) fn plain(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.inbound)).unwrap()
    }

    /// CA of the mesh, read from the secrets of the control plane.
    pub(super) fn authority(&self) -> Authority {
        let part = |part: &str| {
            let path = format!("/meshes/default/secrets/default.ca-builtin-{part}-ca-1");
            let secret = api::json(&self.control_plane.api, &path);
            STANDARD.decode(secret["data"].as_str().unwrap()).unwrap()
        };
        Authority::of(&part("cert"), &part("key"))
    }

    /// Output of both proxies.
    pub(super) fn logs(&self) -> String {
        [&self.web, &self.redis].into_iter().flatten().map(Proxy::log).collect::<Vec<_>>().join("\n----\n")
    }
}
