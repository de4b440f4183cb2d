//! What connections are counted by.

use std::sync::Arc;

use l4::config::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What connections are counted by: who dials what which way, the policy that decides, and the backend that it chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The mesh of the proxies; empty for proxies of a zone.
    pub mesh: Arc<str>,
    /// The policy that decides, as `Kind mesh/name`; `None`: none does, or nothing was decided.
    pub route: Option<Arc<str>>,
    /// What clients dial: a `kuma.io/service` value or a service's KRI.
    pub destination: Arc<str>,
    /// Which way connections flow.
    pub direction: Way,
    /// The backendRef in words; `None`: connections that were refused before one was chosen.
    pub backend: Option<Arc<str>>,
}

/// Which way connections flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// From an application into the mesh.
    Outbound,
    /// From the mesh to an application.
    Inbound,
    /// From outside into the mesh.
    Gateway,
}

impl From<Direction> for Way {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Outbound => Way::Outbound,
            Direction::Inbound => Way::Inbound,
            Direction::Gateway => Way::Gateway,
        }
    }
}
