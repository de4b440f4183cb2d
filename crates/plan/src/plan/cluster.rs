//! The destinations behind backends, and their endpoints.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Tags;
use model::topology::Protocol;
use serde::Serialize;

use super::{ClusterSettings, OutsideTls, Sourced, TlsParams};

/// A destination that some backend of the plan names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// Its name (spec 04 §5).
    pub name: String,
    /// The service behind it: a tag value, or a destination name.
    pub service: String,
    /// Which sort of destination it is.
    pub kind: ClusterKind,
    /// The tags beyond `kuma.io/service` that its endpoints must have.
    pub subset: Tags,
    /// TLS to its endpoints, within the mesh; absent: plaintext.
    pub tls: Option<ProxyTls>,
    /// How long establishing a connection may take; absent: the data plane's default of 5 s.
    pub connect_timeout: Option<Sourced<Duration>>,
    /// How its endpoints are chosen, watched, limited and dialled.
    pub settings: ClusterSettings,
    /// Its endpoints, sorted by priority, zone, address and port.
    pub endpoints: Vec<Endpoint>,
    /// How a proxy that needs no zone egress may reach a destination outside the mesh, where the mesh has no egress that
    /// could carry it; absent: through `endpoints` only.
    pub direct: Option<DirectAccess>,
    /// The real service behind it, as `Kind mesh/name`; absent for tags.
    pub resource: Option<String>,
}

impl Cluster {
    /// A destination in plaintext about which nobody says anything.
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

    /// How this proxy speaks to it outside the mesh, where it is dialled directly; `None`: it is not.
    pub fn to_outside(&self) -> Option<&OutsideTls> {
        match (&self.direct, &self.kind) {
            (Some(direct), _) => Some(&direct.tls),
            (None, ClusterKind::External { protocol: _, tls }) => Some(tls),
            (None, _) => None,
        }
    }
}

/// Where a destination outside the mesh really is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectAccess {
    /// Its endpoints, sorted by priority, address and port.
    pub endpoints: Vec<Endpoint>,
    /// TLS that they want.
    pub tls: OutsideTls,
}

/// Which sort of destination a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClusterKind {
    /// The application beside the proxy.
    Application,
    /// Proxies of the mesh, dialled by a zone proxy: TLS goes on to them as it came.
    Zone {
        /// The sets of tags by which routes choose among its endpoints, and those of destinations that stand for every service,
        /// each sorted.
        subsets: BTreeSet<Vec<String>>,
    },
    /// Proxies of the mesh.
    Mesh,
    /// Proxies of the mesh, dialled by a builtin gateway.
    Gateway,
    /// Outside the mesh, through the zone egress.
    Egress {
        /// What the outside speaks.
        protocol: Protocol,
    },
    /// Outside the mesh, dialled directly by this proxy.
    External {
        /// What it speaks.
        protocol: Protocol,
        /// TLS that this proxy originates.
        tls: OutsideTls,
    },
}

/// TLS to proxies of a mesh (spec 07 §7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyTls {
    /// The server name (spec 07 §7.4).
    pub sni: String,
    /// The server name for endpoints of zones whose ingress routes by another one, by zone (spec 07 §7.5).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sni_of_zones: BTreeMap<String, String>,
    /// Who its endpoints may say they are.
    pub peers: PeerNames,
    /// The mesh that they are of: another than the proxy's own vouches for them by its own CA.
    pub mesh: String,
    /// Whether the endpoints that are no zone proxies accept plaintext too.
    pub optional: bool,
    /// Versions and ciphers.
    #[serde(skip_serializing_if = "TlsParams::is_empty")]
    pub params: TlsParams,
}

/// Which URI SANs of a peer that is believed are accepted: one of them suffices.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerNames {
    /// Any.
    Any,
    /// One of these, sorted.
    Exact(Vec<String>),
    /// Any that begins so.
    Prefix(String),
}

/// One address that takes connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Lower is tried first.
    pub priority: u32,
    /// The zone that it is in, where known.
    pub zone: Option<String>,
    /// An IP address, a DNS name, or a `unix://` path.
    pub address: String,
    /// Its port.
    pub port: u32,
    /// Its share among endpoints of one priority.
    pub weight: u32,
    /// Its tags, `kuma.io/service` included.
    pub tags: Tags,
    /// The labels of its dataplane (2.14+).
    pub labels: model::Labels,
    /// Which resource offers it, as `Kind mesh/name`.
    pub offered_by: String,
    /// What stands at the address.
    pub via: Via,
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

/// What stands at the address of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Via {
    /// The destination itself: the proxy beside the application, or a service outside the mesh.
    #[default]
    #[serde(rename = "direct")]
    Direct,
    /// The ingress of another zone, which routes by SNI.
    #[serde(rename = "zone ingress")]
    ZoneIngress,
    /// The egress of this zone, which routes by SNI.
    #[serde(rename = "zone egress")]
    ZoneEgress,
}
