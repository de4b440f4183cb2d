//! One mesh for all scenarios: `web-1` dials `ledger`, `edge-1` is a gateway, and all backends greet with their names.

use std::path::PathBuf;

use crate::backend::{free_ports, serve};

/// Mesh in a folder.
pub(super) struct Village {
    folder: tempfile::TempDir,
    /// Port at which `web-1` dials `ledger`.
    pub(super) outbound: u16,
    /// Port at which `edge-1` accepts.
    pub(super) gateway: u16,
    mesh: String,
}

/// Resources of the mesh; `{…}` are ports.
const MESH: &str = "
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound:
    - { port: {web}, servicePort: {web-app}, tags: { kuma.io/service: web, kuma.io/protocol: tcp } }
  outbound:
    - { port: {outbound}, address: 127.0.0.1, tags: { kuma.io/service: ledger } }
---
type: Dataplane
mesh: default
name: edge-1
networking:
  address: 127.0.0.1
  gateway: { type: BUILTIN, tags: { kuma.io/service: edge } }
---
type: MeshGateway
mesh: default
name: edge
selectors: [{ match: { kuma.io/service: edge } }]
conf:
  listeners:
    - { port: {gateway}, protocol: TCP, tags: { port: sql } }
---
type: Dataplane
mesh: default
name: ledger-v1
networking:
  address: 127.0.0.1
  inbound:
    - { port: {v1}, tags: { kuma.io/service: ledger, kuma.io/protocol: tcp, version: v1 } }
---
type: Dataplane
mesh: default
name: ledger-v2
networking:
  address: 127.0.0.1
  inbound:
    - { port: {v2}, tags: { kuma.io/service: ledger, kuma.io/protocol: tcp, version: v2 } }
---
type: Dataplane
mesh: default
name: next-1
networking:
  address: 127.0.0.1
  inbound:
    - { port: {next}, tags: { kuma.io/service: next, kuma.io/protocol: tcp } }
---
type: MeshExternalService
mesh: default
name: cloud
spec:
  match: { type: HostnameGenerator, port: 5432, protocol: tcp }
  endpoints: [{ address: 127.0.0.1, port: {cloud} }]
---
type: ExternalService
mesh: default
name: partner
tags: { kuma.io/service: partner, kuma.io/protocol: tcp }
networking: { address: \"127.0.0.1:{partner}\" }
";

impl Village {
    /// Writes the mesh without any route, and starts its backends, which listen where their proxies would.
    pub(super) fn new() -> Self {
        let ports: [u16; 9] = free_ports();
        let names = ["web", "web-app", "outbound", "gateway", "v1", "v2", "next", "cloud", "partner"];
        let mut mesh = MESH.to_owned();
        for (name, port) in names.iter().zip(ports) {
            mesh = mesh.replace(&format!("{{{name}}}"), &port.to_string());
        }
        let [_, _, outbound, gateway, ..] = ports;
        for (name, port) in names.iter().zip(ports).skip(4) {
            serve(port, name);
        }
        let village = Self { folder: tempfile::tempdir().unwrap(), outbound, gateway, mesh };
        village.save("mesh.yaml", &village.mesh);
        village
    }

    pub(super) fn path(&self) -> String {
        self.folder.path().to_str().unwrap().to_owned()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the old one, then renames it, as editors do.
    pub(super) fn save(&self, name: &str, text: &str) {
        let beside = self.file(&format!(".{name}.tmp"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.file(name)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
    }
}

/// Route of `web-1` to `ledger` with these lines as its backendRefs.
pub(super) fn route(backend_refs: &[String]) -> String {
    let head = "type: MeshTCPRoute\nmesh: default\nname: canary\nspec:\n  targetRef: { kind: Mesh }\n  to:\n    \
                - targetRef: { kind: MeshService, name: ledger }\n      rules:\n        - default:\n            \
                backendRefs:\n";
    let lines: String = backend_refs.iter().map(|line| format!("              - {line}\n")).collect();
    format!("{head}{lines}")
}

/// Route of the gateway `edge-1`.
pub(super) fn gateway_route(backend_refs: &[String]) -> String {
    let text = route(backend_refs);
    text.replace(
        "targetRef: { kind: Mesh }",
        "targetRef: { kind: MeshGateway, name: edge, tags: { port: sql } }",
    )
    .replace("targetRef: { kind: MeshService, name: ledger }", "targetRef: { kind: Mesh }")
    .replace("name: canary", "name: edge-sql")
}

/// backendRef to a service.
pub(super) fn service(name: &str, weight: u32) -> String {
    format!("{{ kind: MeshService, name: {name}, weight: {weight} }}")
}

/// backendRef to a version of `ledger`.
pub(super) fn version(version: &str, weight: u32) -> String {
    format!("{{ kind: MeshServiceSubset, name: ledger, tags: {{ version: {version} }}, weight: {weight} }}")
}

/// backendRef to a service outside the mesh.
pub(super) fn external(name: &str, weight: u32) -> String {
    format!("{{ kind: MeshExternalService, name: {name}, weight: {weight} }}")
}
