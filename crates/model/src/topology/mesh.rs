//! A mesh: which services exist in it, and how its proxies talk to each other (spec 01 §3).

use crate::policy::AccessLogBackend;

/// A mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mesh {
    /// The name of the enabled mTLS backend; absent: no mTLS.
    pub enabled_mtls_backend: Option<String>,
    /// The mTLS backends.
    pub mtls_backends: Vec<MtlsBackend>,
    /// `routing.localityAwareLoadBalancing`; default off.
    pub locality_aware: bool,
    /// `routing.zoneEgress`; default off. In force only with mTLS: see [`Mesh::zone_egress_enabled`].
    pub zone_egress: bool,
    /// `routing.defaultForbidMeshExternalServiceAccess`: whether a zone egress lets nobody out to MeshExternalServices; default
    /// off.
    pub closes_external_services: bool,
    /// `networking.outbound.passthrough`; default on.
    pub passthrough: bool,
    /// `meshServices.mode`; default [`MeshServicesMode::Disabled`].
    pub mesh_services: MeshServicesMode,
    /// `logging`: where a TrafficLog may send lines.
    pub logging: MeshLogging,
}

/// Where a TrafficLog may send lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshLogging {
    /// The backend that is used where none is named.
    pub default_backend: Option<String>,
    /// The backends, by name and in the order of the file.
    pub backends: Vec<(String, AccessLogBackend)>,
}

impl MeshLogging {
    /// The backend with a name, or without one the default backend.
    pub fn backend(&self, name: Option<&str>) -> Option<&AccessLogBackend> {
        let wanted = name.or(self.default_backend.as_deref())?;
        self.backends.iter().find(|(name, _)| name == wanted).map(|(_, backend)| backend)
    }
}

/// One way of issuing certificates in a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsBackend {
    /// Its name.
    pub name: String,
    /// `builtin`, `provided`, or a plugin's type.
    pub kind: String,
    /// Whether plaintext is still accepted.
    pub mode: MtlsMode,
}

/// Whether plaintext is still accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MtlsMode {
    /// Only TLS.
    #[default]
    Strict,
    /// TLS and plaintext, while proxies move over.
    Permissive,
}

/// Which outbounds there are (spec 01 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MeshServicesMode {
    /// Only tag-based ones.
    #[default]
    Disabled,
    /// Tag-based and real ones.
    Everywhere,
    /// Both, but real ones only where a proxy lists them.
    ReachableBackends,
    /// Only real ones.
    Exclusive,
}

impl Mesh {
    /// The backend in force: the enabled one, if it exists.
    pub fn mtls(&self) -> Option<&MtlsBackend> {
        let enabled = self.enabled_mtls_backend.as_ref()?;
        self.mtls_backends.iter().find(|backend| backend.name == *enabled)
    }

    /// Whether connections leave the zone through its egress: `routing.zoneEgress` and mTLS.
    pub fn zone_egress_enabled(&self) -> bool {
        self.zone_egress && self.mtls().is_some()
    }
}
