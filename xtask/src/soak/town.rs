//! Resources of the soak: a client-side proxy that dials `redis`, and three versions of it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::run::Outcome;

/// Folder of resources, and their ports.
pub(super) struct Town {
    folder: PathBuf,
    /// Port at which clients connect.
    pub(super) outbound: u16,
    /// Ports at which the applications listen.
    pub(super) applications: [u16; 3],
    inbounds: [u16; 4],
}

impl Town {
    /// Writes all resources but the route.
    pub(super) fn build(folder: &Path, chance: &mut fastrand::Rng) -> Outcome<Self> {
        let resources = folder.join("resources");
        let _ = std::fs::remove_dir_all(&resources);
        std::fs::create_dir_all(&resources).map_err(|error| format!("{}: {error}", resources.display()))?;
        let [outbound, web, i1, i2, i3, i4, a1, a2, a3] = free_ports(chance);
        let town =
            Self { folder: folder.into(), outbound, applications: [a1, a2, a3], inbounds: [i1, i2, i3, i4] };
        let mut text = format!(
            "type: Mesh\nname: default\n---\n\
             type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
             - port: {web}\n      tags:\n        kuma.io/service: web\n  outbound:\n    \
             - port: {outbound}\n      tags:\n        kuma.io/service: redis\n"
        );
        for version in 0..3 {
            text.push_str("---\n");
            text.push_str(&town.dataplane(version, version));
        }
        town.save("mesh.yaml", &text)?;
        town.change(chance)?;
        Ok(town)
    }

    pub(super) fn resources(&self) -> PathBuf {
        self.folder.join("resources")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("connections.log")
    }

    /// Name of the listener that clients connect to.
    pub(super) fn outbound_name(&self) -> String {
        format!("outbound:127.0.0.1:{}", self.outbound)
    }

    /// Changes weights, their effect on live connections, and the number of endpoints by one.
    pub(super) fn change(&self, chance: &mut fastrand::Rng) -> Outcome {
        let weights: Vec<u32> =
            (0..3).map(|_| if chance.u8(..) < 64 { 0 } else { chance.u32(1..100) }).collect();
        let existing = ["keep", "drain-excess", "close"][chance.usize(..3)];
        let mut text = format!(
            "type: MeshTCPRoute\nmesh: default\nname: canary\nlabels:\n  meshtcp.io/existing: {existing}\nspec:\n  \
             targetRef:\n    kind: Mesh\n  to:\n    - targetRef:\n        kind: MeshService\n        name: redis\n      \
             rules:\n        - default:\n            backendRefs:\n"
        );
        for (version, weight) in weights.iter().enumerate() {
            text.push_str(&format!(
                "              - kind: MeshServiceSubset\n                name: redis\n                tags:\n                  \
                 version: v{version}\n                weight: {weight}\n"
            ));
        }
        self.save("route.yaml", &text)?;
        if chance.bool() {
            // a second endpoint of the first version, in front of the second application
            self.save("endpoint.yaml", &self.dataplane(3, 0))
        } else {
            match std::fs::remove_file(self.resources().join("endpoint.yaml")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
                Ok(()) | Err(_) => Ok(()),
            }
        }
    }

    fn dataplane(&self, number: usize, version: usize) -> String {
        let (inbound, application) = (self.inbounds[number], self.applications[number % 3]);
        format!(
            "type: Dataplane\nmesh: default\nname: redis-{number}\nnetworking:\n  address: 127.0.0.1\n  inbound:\n    \
             - port: {inbound}\n      servicePort: {application}\n      tags:\n        kuma.io/service: redis\n        \
             version: v{version}\n        kuma.io/protocol: tcp\n"
        )
    }

    /// Writes a file beside the old one, then renames it, as editors do.
    fn save(&self, name: &str, text: &str) -> Outcome {
        let (beside, path) = (self.resources().join(format!(".{name}.tmp")), self.resources().join(name));
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// Returns `N` free ports outside the range of ephemeral ports of the kernel.
fn free_ports<const N: usize>(chance: &mut fastrand::Rng) -> [u16; N] {
    let mut held: Vec<(u16, TcpListener)> = Vec::new();
    while held.len() < N {
        let port = chance.u16(10_240..20_000);
        if let Ok(listener) = TcpListener::bind(("0.0.0.0", port)) {
            held.push((port, listener));
        }
    }
    std::array::from_fn(|index| held[index].0)
}
