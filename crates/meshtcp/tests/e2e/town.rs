//! Small mesh in a folder: a client-side proxy `web` that dials `redis`, and any number of versions of `redis`.

use std::path::PathBuf;

use crate::backend::{free_ports, serve};

/// Folder of the mesh, and its ports.
pub(crate) struct Town {
    folder: tempfile::TempDir,
    /// Port at which `web` dials `redis`.
    pub(crate) outbound: u16,
    /// Ports at which the proxies of the versions listen.
    pub(crate) inbounds: [u16; 2],
    /// Ports at which the applications behind the versions listen.
    pub(crate) applications: [u16; 2],
}

impl Town {
    /// Writes a mesh with the versions `v1` and `v2`; no route yet. The caller provides the applications.
    pub(crate) fn new() -> Self {
        let [outbound, web, inbound1, inbound2, app1, app2] = free_ports();
        let (inbounds, applications) = ([inbound1, inbound2], [app1, app2]);
        let town = Self { folder: tempfile::tempdir().unwrap(), outbound, inbounds, applications };
        let mut text = format!(
            "type: Mesh\nname: default\n---\n\
             type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
             - port: {web}\n      tags:\n        kuma.io/service: web\n  outbound:\n    \
             - port: {outbound}\n      tags:\n        kuma.io/service: redis\n"
        );
        for (version, inbound, application) in [("v1", inbound1, app1), ("v2", inbound2, app2)] {
            text.push_str(&format!(
                "---\ntype: Dataplane\nmesh: default\nname: redis-{version}\nnetworking:\n  address: 127.0.0.1\n  \
                 inbound:\n    - port: {inbound}\n      servicePort: {application}\n      tags:\n        \
                 kuma.io/service: redis\n        version: {version}\n        kuma.io/protocol: tcp\n"
            ));
        }
        town.save("mesh.yaml", &text);
        town
    }

    /// Creates one whose applications are served, and send their version.
    pub(crate) fn served() -> Self {
        let town = Self::new();
        serve(town.applications[0], "v1");
        serve(town.applications[1], "v2");
        town
    }

    pub(crate) fn path(&self) -> String {
        self.folder.path().to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the old one, then renames it, as editors do.
    pub(crate) fn save(&self, name: &str, text: &str) {
        let beside = self.file(&format!(".{name}.tmp"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.file(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
    }

    /// Saves a route of `redis` by weights of its versions.
    pub(crate) fn route(&self, weights: &[(&str, u32)]) {
        self.save("route.yaml", &route(weights));
    }
}

/// Text of a route of `redis` by weights of its versions.
pub(crate) fn route(weights: &[(&str, u32)]) -> String {
    let mut text = String::from(
        "type: MeshTCPRoute\nmesh: default\nname: canary\nspec:\n  targetRef:\n    kind: Mesh\n  to:\n    \
         - targetRef:\n        kind: MeshService\n        name: redis\n      rules:\n        - default:\n            \
         backendRefs:\n",
    );
    for (version, weight) in weights {
        text.push_str(&format!(
            "              - kind: MeshServiceSubset\n                name: redis\n                tags:\n                  \
             version: {version}\n                weight: {weight}\n"
        ));
    }
    text
}
