//! Clusters: the destinations behind backends, and their endpoints.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Tags;
use model::topology::Protocol;
use serde::Serialize;

use super::{ClusterSettings, OutsideTls, Sourced, TlsParams};

/// Destination of a backend of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// Name of the cluster (spec 04 §5).
    pub name: String,
    /// Service behind it: a tag value, or a destination name.
    pub service: String,
    /// Sort of destination.
    pub kind: ClusterKind,
    /// Tags beyond `kuma.io/service` that its endpoints must have.
    pub subset: Tags,
    /// TLS to its endpoints, within the mesh; absent: plaintext.
    pub tls: Option<ProxyTls>,
    /// Connect timeout of one endpoint; absent: the data plane's default of 5 s.
    pub connect_timeout: Option<Sourced<Duration>>,
    /// Load balancing, health checks, limits and socket settings of its endpoints.
    pub settings: ClusterSettings,
    /// Endpoints, sorted by priority, zone, address and port.
    pub endpoints: Vec<Endpoint>,
    /// Access to a destination outside the mesh for a proxy that needs no zone egress, where the mesh has no egress
    /// that could carry it; absent: through `endpoints` only.
    pub direct: Option<DirectAccess>,
    /// Real service behind it, as `Kind mesh/name`; absent for tags.
    pub resource: Option<String>,
}

impl Cluster {
    /// A destination in plaintext without any settings.
    pub(crate) fn plain(name: String, service: String, kind: ClusterKind, endpoints: Vec<Endpoint>) -> Self {
        Self {
            name,
            service,
            kind,
            subset: Tags::default(),
            tls: None,
            connect_timeout: None,
            settings: ClusterSettings::default(),
            endpoints,
            direct: None,
            resource: None,
        }
    }

    /// TLS to a destination outside the mesh that this proxy dials directly; `None`: it dials none.
    pub fn to_outside(&self) -> Option<&OutsideTls> {
        match (&self.direct, &self.kind) {
            (Some(direct), _) => Some(&direct.tls),
            (None, ClusterKind::External { protocol: _, tls }) => Some(tls),
            (None, _) => None,
        }
    }
}

/// Direct access to a destination outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectAccess {
    /// Endpoints, sorted by priority, address and port.
    pub endpoints: Vec<Endpoint>,
    /// TLS to the endpoints.
    pub tls: OutsideTls,
}

/// Sort of destination that a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClusterKind {
    /// Application beside the proxy.
    Application,
    /// Proxies of the mesh, dialled by a zone proxy: TLS is passed on as it came.
    Zone {
        /// Tag sets by which routes choose among its endpoints, and those of destinations that stand for every
        /// service, each sorted.
        subsets: BTreeSet<Vec<String>>,
    },
    /// Proxies of the mesh.
    Mesh,
    /// Proxies of the mesh, dialled by a builtin gateway.
    Gateway,
    /// Outside the mesh, through the zone egress.
    Egress {
        /// Protocol of the destination outside.
        protocol: Protocol,
    },
    /// Outside the mesh, dialled directly by this proxy.
    External {
        /// Protocol of the destination.
        protocol: Protocol,
        /// TLS that this proxy originates.
        tls: OutsideTls,
    },
}

/// TLS to proxies of a mesh (spec 07 §7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyTls {
    /// Server name (spec 07 §7.4).
    pub sni: String,
    /// Server names, by zone, for endpoints of zones whose ingress routes by another name (spec 07 §7.5).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sni_of_zones: BTreeMap<String, String>,
    /// URI SANs that its endpoints may have.
    pub peers: PeerNames,
    /// Mesh of the endpoints; a mesh other than the proxy's own has a CA of its own.
    pub mesh: String,
    /// `true`: the endpoints that are not zone proxies accept plaintext too.
    pub optional: bool,
    /// TLS versions and ciphers.
    #[serde(skip_serializing_if = "TlsParams::is_empty")]
    pub params: TlsParams,
}

/// Accepted URI SANs of a trusted peer: one of them suffices.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerNames {
    /// Any URI SAN.
    Any,
    /// One of these URI SANs, sorted.
    Exact(Vec<String>),
    /// Any URI SAN with this prefix.
    Prefix(String),
}

/// One address that accepts connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Priority; lower is tried first.
    pub priority: u32,
    /// Zone of the endpoint; absent: unknown.
    pub zone: Option<String>,
    /// IP address, DNS name, or `unix://` path.
    pub address: String,
    /// Port of the endpoint.
    pub port: u32,
    /// Share among endpoints of one priority.
    pub weight: u32,
    /// Group that gets its share together, which `weight` already reflects; absent: there are no groups.
    pub group: Option<EndpointGroup>,
    /// Tags of the endpoint, `kuma.io/service` included.
    pub tags: Tags,
    /// Labels of its Dataplane (2.14+).
    pub labels: model::Labels,
    /// Resource that offers it, as `Kind mesh/name`.
    pub offered_by: String,
    /// Listener at the address: the destination itself or a zone proxy.
    pub via: Hop,
}

/// Endpoints of one priority that get a share of its connections together, whatever their number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointGroup {
    /// Tag that its endpoints share with the client, as `key=value`; empty: they share none.
    pub name: String,
    /// Share of the group among those of its priority.
    pub share: u32,
    /// Share of the endpoint within the group.
    pub weight: u32,
}

impl Endpoint {
    /// Order of endpoints: by priority, zone, address and port. Those at one place are equal.
    pub(crate) fn by_place(&self, other: &Self) -> Ordering {
        fn place(it: &Endpoint) -> (u32, Option<&str>, &str, u32) {
            (it.priority, it.zone.as_deref(), &it.address, it.port)
        }
        place(self).cmp(&place(other))
    }
}

/// Listener at the address of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Hop {
    /// Destination itself: the proxy beside the application, or a service outside the mesh.
    #[default]
    #[serde(rename = "direct")]
    Direct,
    /// Ingress of another zone, which routes by SNI.
    #[serde(rename = "zone ingress")]
    ZoneIngress,
    /// Egress of this zone, which routes by SNI.
    #[serde(rename = "zone egress")]
    ZoneEgress,
}
