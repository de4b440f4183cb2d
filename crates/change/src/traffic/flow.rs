//! Flows, the keys of connection counters.

use std::sync::Arc;

use l4::config::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Flow, the key of connection counters: mesh, destination and direction, the policy that decides, and the chosen
/// backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// Mesh of the proxies; empty: proxies of a zone.
    pub mesh: Arc<str>,
    /// Policy that decides, as `Kind mesh/name`; `None`: no policy, or nothing was decided.
    pub route: Option<Arc<str>>,
    /// Destination that clients dial: a `kuma.io/service` value or a service's KRI.
    pub destination: Arc<str>,
    /// Direction of the connections.
    pub direction: FlowDirection,
    /// Description of the backendRef; `None`: connections that were refused before one was chosen.
    pub backend: Option<Arc<str>>,
}

/// Direction of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlowDirection {
    /// From an application into the mesh.
    Outbound,
    /// From the mesh to an application.
    Inbound,
    /// From outside into the mesh.
    Gateway,
}

impl From<Direction> for FlowDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Outbound => FlowDirection::Outbound,
            Direction::Inbound => FlowDirection::Inbound,
            Direction::Gateway => FlowDirection::Gateway,
        }
    }
}
