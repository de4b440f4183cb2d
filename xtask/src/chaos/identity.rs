//! Mesh with mutual TLS whose certificates live for seconds, whose CA is exchanged, and whose mode alternates between
//! STRICT and PERMISSIVE.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::program::tool;
use crate::run::Outcome;

/// Number of authorities that the mesh has in turn.
const AUTHORITIES: usize = 3;

/// Mutual TLS of the mesh.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// Lifetime of certificates, as in a Mesh.
    life: String,
    /// Certificate and key of each authority, as a Mesh has them inline.
    authorities: Vec<[String; 2]>,
}

impl Identity {
    /// Creates the authorities.
    pub(super) fn new(folder: &Path, life: &str) -> Outcome<Self> {
        let authorities = (0..AUTHORITIES).map(|number| authority(folder, number));
        Ok(Self { life: life.to_owned(), authorities: authorities.collect::<Outcome<_>>()? })
    }

    /// Resources that are put before all others, by path.
    pub(super) fn resources(&self) -> [(String, Value); 2] {
        let permission = json!({ "type": "MeshTrafficPermission", "mesh": "default", "name": "all", "spec": {
            "targetRef": { "kind": "Mesh" },
            "from": [{ "targetRef": { "kind": "Mesh" }, "default": { "action": "Allow" } }],
        } });
        let path = "/meshes/default/meshtrafficpermissions/all".to_owned();
        [self.mesh("STRICT", 0), (path, permission)]
    }

    /// Mesh after a random change by an operator.
    pub(super) fn change(&self, chance: &mut fastrand::Rng) -> (String, Value) {
        let mode = if chance.bool() { "STRICT" } else { "PERMISSIVE" };
        self.mesh(mode, chance.usize(..AUTHORITIES))
    }

    fn mesh(&self, mode: &str, authority: usize) -> (String, Value) {
        let [certificate, key] = &self.authorities[authority];
        let backend = json!({ "name": "ca", "type": "provided", "mode": mode,
            "dpCert": { "rotation": { "expiration": self.life } },
            "conf": { "cert": { "inline": certificate }, "key": { "inline": key } } });
        let mtls = json!({ "enabledBackend": "ca", "backends": [backend] });
        ("/meshes/default".into(), json!({ "type": "Mesh", "name": "default", "mtls": mtls }))
    }
}

/// Creates an authority; returns its certificate and key.
fn authority(folder: &Path, number: usize) -> Outcome<[String; 2]> {
    let [certificate, key] =
        ["cert", "key"].map(|part| folder.join(format!("ca-{number}-{part}.pem")).display().to_string());
    let subject = format!("/CN=authority {number}");
    let made =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let what =
        ["-subj", &subject, "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", &key, "-out"];
    tool("openssl", &[&made[..], &what, &[&certificate]].concat())?;
    let read = |path: &str| {
        let text = std::fs::read(path).map_err(|error| format!("{path}: {error}"));
        text.map(|text| STANDARD.encode(text))
    };
    Ok([read(&certificate)?, read(&key)?])
}
