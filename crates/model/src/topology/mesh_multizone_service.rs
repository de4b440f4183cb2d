//! MeshMultiZoneService: the same service in several zones (spec 01 §6).

use crate::reference::Labels;
use crate::topology::ServicePort;
use crate::topology::mesh_service::find_port;

/// MeshMultiZoneService: one service that stands for others in several zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshMultiZoneService {
    /// Labels of the services that it stands for.
    pub match_labels: Labels,
    /// Ports, in the order of the file.
    pub ports: Vec<ServicePort>,
    /// Services that it stands for, as a control plane computed them; absent: to be computed from `match_labels`.
    pub matched: Option<Vec<MatchedMeshService>>,
    /// `status.vips[].ip`.
    pub vips: Vec<String>,
    /// `status.addresses[].hostname`.
    pub host_names: Vec<String>,
}

/// One service behind a MeshMultiZoneService.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchedMeshService {
    /// Display name.
    pub name: String,
    /// Namespace; empty: none.
    pub namespace: String,
    /// Zone; empty: none.
    pub zone: String,
    /// Mesh of the service.
    pub mesh: String,
}

impl MeshMultiZoneService {
    /// Returns the port that a section refers to.
    pub fn port(&self, section: &str) -> Option<&ServicePort> {
        find_port(&self.ports, section)
    }
}
