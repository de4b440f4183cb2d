//! The same service in several zones (spec 01 §6).

use crate::reference::Labels;
use crate::topology::ServicePort;
use crate::topology::mesh_service::find_port;

/// A MeshMultiZoneService.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshMultiZoneService {
    /// The labels of the services that it stands for.
    pub match_labels: Labels,
    /// Its ports, in the order of the file.
    pub ports: Vec<ServicePort>,
    /// The services that it stands for, as a control plane computed them; absent: to be computed from `match_labels`.
    pub matched: Option<Vec<MatchedMeshService>>,
    /// `status.vips[].ip`.
    pub vips: Vec<String>,
    /// `status.addresses[].hostname`.
    pub host_names: Vec<String>,
}

/// One service behind a MeshMultiZoneService.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchedMeshService {
    /// Its display name.
    pub name: String,
    /// Its namespace; empty when it has none.
    pub namespace: String,
    /// Its zone; empty when it has none.
    pub zone: String,
    /// Its mesh.
    pub mesh: String,
}

impl MeshMultiZoneService {
    /// The port that a section means.
    pub fn port(&self, section: &str) -> Option<&ServicePort> {
        find_port(&self.ports, section)
    }
}
