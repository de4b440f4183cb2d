//! A zone in the east with `web`, and one in the west behind an ingress. The test copies resources between zones, as a
//! Global would.

use serde_json::{Value, json};

use crate::api::{ask, json as get};
use crate::backend::{free_ports, serve};
use crate::identity::neighbours::{Proxy, Sort};
use crate::program::eventually;
use crate::store::ControlPlane;

/// Port of `redis` in the mesh, whatever its instances listen on.
pub(super) const PORT: u16 = 6379;

/// Zone: its control plane, and the proxies that run there.
pub(super) struct Zone {
    pub(super) control_plane: ControlPlane,
    proxies: Vec<(String, Proxy)>,
}

impl Zone {
    pub(super) fn start(name: &str) -> Self {
        Self::start_by("2.14", name)
    }

    /// Starts one by the rules of another release.
    pub(super) fn start_by(profile: &str, name: &str) -> Self {
        Self::start_with("memory", profile, name)
    }

    fn start_with(store: &str, profile: &str, name: &str) -> Self {
        let control_plane = ControlPlane::start(store, &["--zone", name, "--profile", profile]);
        Self { control_plane, proxies: Vec::new() }
    }

    /// Ends the control plane, and starts another on its store, at its addresses.
    pub(super) fn restart_control_plane(&mut self, store: &str, name: &str) {
        self.control_plane.program.signal(rustix::process::Signal::TERM);
        assert_eq!(self.control_plane.program.ends(), 0, "{}", self.control_plane.program.printed());
        let (api, xds) = (self.control_plane.api.clone(), self.control_plane.xds.clone());
        self.control_plane =
            ControlPlane::start_at(store, &api, &xds, &["--zone", name, "--profile", "2.14"]);
    }

    /// Puts a document at the path that its type, mesh and name give.
    pub(super) fn put(&self, document: &Value) {
        let (path, _) = place(document);
        self.control_plane.put(&path, document);
    }

    /// Deletes the resource with the type, mesh and name of a document.
    pub(super) fn delete(&self, document: &Value) {
        let (path, _) = place(document);
        let (status, body) = ask(&self.control_plane.api, &format!("DELETE {path}"));
        assert_eq!(status, 200, "{body}");
    }

    /// Starts a proxy, and waits until it runs what it should.
    pub(super) fn attach(&mut self, sort: Sort, proxy: &str) -> &Proxy {
        self.proxies.push((proxy.to_owned(), Proxy::start(sort, proxy, &self.control_plane)));
        let named = if proxy.contains('/') { proxy.to_owned() } else { format!("default/{proxy}") };
        self.is_in_sync(&named);
        &self.proxies.last().unwrap().1
    }

    /// Waits until a proxy runs what it should.
    pub(super) fn is_in_sync(&self, named: &str) {
        eventually(&format!("{named} runs what it should"), || {
            let proxy = self.proxy(named);
            let refuses = proxy["refusals"].as_array().is_some_and(|it| !it.is_empty());
            assert!(!refuses, "{proxy:#}");
            proxy["inSync"] == true
        });
    }

    /// Kills one of its proxies.
    pub(super) fn kill(&mut self, proxy: &str) {
        let before = self.proxies.len();
        self.proxies.retain(|(name, _)| name != proxy);
        assert_eq!(self.proxies.len() + 1, before, "{proxy} runs");
    }

    /// Output of a proxy, including its connection log.
    pub(super) fn log(&self, proxy: &str) -> String {
        self.proxies.iter().find(|(name, _)| name == proxy).unwrap().1.log()
    }

    /// Ends all of its proxies.
    pub(super) fn ends_proxies(&mut self) {
        self.proxies.clear();
    }

    /// State of a proxy.
    pub(super) fn proxy(&self, named: &str) -> Value {
        let status = get(&self.control_plane.api, "/_status?what=proxies");
        let proxies = status["proxies"].as_array().cloned().unwrap_or_default();
        proxies.into_iter().find(|it| it["proxy"] == named).unwrap_or_default()
    }

    /// Stored resource at a path.
    pub(super) fn get(&self, path: &str) -> Value {
        get(&self.control_plane.api, path)
    }
}

fn place(document: &Value) -> (String, String) {
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let kind = text("type").to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') || kind.ends_with('h') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    let mesh = text("mesh");
    let within = if mesh.is_empty() { String::new() } else { format!("/meshes/{mesh}") };
    (format!("{within}/{plural}/{}", text("name")), mesh)
}

/// Both zones, one CA, and an ingress in the west.
pub(super) struct Places {
    pub(super) east: Zone,
    pub(super) west: Zone,
    /// Port at which `web` dials.
    pub(super) outbound: u16,
    /// Port of the ingress.
    pub(super) gate: u16,
    /// Address of the ingress.
    pub(super) gate_address: &'static str,
}

/// Mesh with the mutual TLS that tests of zones use.
pub(super) fn mesh(name: &str, more: &Value) -> Value {
    let mut mesh = json!({ "type": "Mesh", "name": name, "mtls": { "enabledBackend": "ca-1", "backends": [
        { "name": "ca-1", "type": "builtin" },
    ] } });
    for (key, value) in more.as_object().into_iter().flatten() {
        mesh[key] = value.clone();
    }
    mesh
}

/// MeshTrafficPermission that lets every connection in.
pub(super) fn permission(mesh: &str) -> Value {
    json!({ "type": "MeshTrafficPermission", "mesh": mesh, "name": "all", "spec": {
        "targetRef": { "kind": "Mesh" },
        "from": [{ "targetRef": { "kind": "Mesh" }, "default": { "action": "Allow" } }],
    } })
}

/// Dataplane whose application greets with a name, with an inbound for each set of tags.
pub(super) fn server(mesh: &str, name: &str, greets: &str, tags: &[Value]) -> Value {
    let inbound = |tags: &Value| {
        let [port, application] = free_ports();
        serve(application, greets);
        json!({ "port": port, "servicePort": application, "tags": tags })
    };
    let inbounds: Vec<Value> = tags.iter().map(inbound).collect();
    json!({ "type": "Dataplane", "mesh": mesh, "name": name, "labels": { "app": name },
            "networking": { "address": "127.0.0.1", "inbound": inbounds } })
}

pub(super) fn redis(version: &str) -> Value {
    json!({ "kuma.io/service": "redis", "kuma.io/protocol": "tcp", "version": version })
}

/// Dataplane that dials through one outbound.
pub(super) fn client(mesh: &str, name: &str, outbound: &Value) -> Value {
    let [own] = free_ports();
    json!({ "type": "Dataplane", "mesh": mesh, "name": name, "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": own, "tags": { "kuma.io/service": "web", "kuma.io/protocol": "tcp" } }],
        "outbound": [outbound],
    } })
}

impl Places {
    /// Starts both control planes with this mesh, and a permission for everybody; no clients and servers yet.
    pub(super) fn of(more: &Value) -> Self {
        Self::by("2.14", more)
    }

    /// Starts both by the rules of another release.
    pub(super) fn by(profile: &str, more: &Value) -> Self {
        Self::on("memory", profile, more)
    }

    /// Starts both by the rules of a release, the east with its resources in a store.
    pub(super) fn on(store: &str, profile: &str, more: &Value) -> Self {
        let [outbound, gate] = free_ports();
        let (east, west) = (Zone::start_with(store, profile, "east"), Zone::start_by(profile, "west"));
        let it = Self { east, west, outbound, gate, gate_address: "127.0.0.1" };
        it.share("default", more);
        it
    }

    /// Creates a mesh in both zones, with the CA of the west.
    pub(super) fn share(&self, name: &str, more: &Value) {
        self.west.put(&mesh(name, more));
        self.east.put(&json!({ "type": "Mesh", "name": name }));
        for part in ["cert", "key"] {
            let path = format!("/meshes/{name}/secrets/{name}.ca-builtin-{part}-ca-1");
            let mut secret = self.west.get(&path);
            for computed in ["creationTime", "modificationTime", "labels", "kri"] {
                secret.as_object_mut().unwrap().remove(computed);
            }
            self.east.put(&secret);
        }
        self.east.put(&mesh(name, more));
        for zone in [&self.east, &self.west] {
            zone.put(&permission(name));
        }
    }

    /// ZoneIngress of the west; `advertised`: the port that other zones dial, `None`: they cannot.
    pub(super) fn ingress(&self, advertised: Option<u16>) -> Value {
        let mut networking = json!({ "address": self.gate_address, "port": self.gate });
        if let Some(port) = advertised {
            networking["advertisedAddress"] = self.gate_address.into();
            networking["advertisedPort"] = port.into();
        }
        json!({ "type": "ZoneIngress", "name": "zi-west", "networking": networking })
    }

    /// Opens the ingress of the west.
    pub(super) fn open(&mut self, sort: Sort) {
        let ingress = self.ingress(Some(self.gate));
        self.west.put(&ingress);
        self.west.attach(sort, "ZoneIngress/zi-west");
    }

    /// Waits until the west offers this number of tag sets, and copies its ingress to the east.
    pub(super) fn carry(&self, offered: usize) {
        let mut ingress = Value::Null;
        eventually("the west says what it offers", || {
            ingress = self.west.get("/zoneingresses/zi-west");
            ingress["availableServices"].as_array().map_or(0, Vec::len) == offered
        });
        self.copy(ingress);
    }

    /// Copies a ZoneIngress of the west to the east.
    pub(super) fn copy(&self, mut ingress: Value) {
        ingress["zone"] = "west".into();
        ingress.as_object_mut().unwrap().remove("labels");
        self.east.put(&ingress);
    }

    /// Output of the proxies of both zones.
    pub(super) fn logs(&self) -> String {
        let all = self.east.proxies.iter().chain(&self.west.proxies);
        all.map(|(_, proxy)| proxy.log()).collect::<Vec<_>>().join("\n----\n")
    }
}

/// MeshMultiZoneService that stands for `redis` of all zones.
pub(super) fn everywhere() -> Value {
    json!({ "type": "MeshMultiZoneService", "mesh": "default", "name": "redis", "spec": {
        "selector": { "meshService": { "matchLabels": { "app": "redis" } } },
        "ports": [{ "port": PORT, "appProtocol": "tcp" }],
    } })
}
