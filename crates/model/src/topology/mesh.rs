//! Mesh: its services, and the settings of its proxies (spec 01 §3).

use crate::policy::AccessLogBackend;

/// Settings of a mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mesh {
    /// Name of the enabled mTLS backend; absent: no mTLS.
    pub enabled_mtls_backend: Option<String>,
    /// mTLS backends.
    pub mtls_backends: Vec<MtlsBackend>,
    /// `routing.localityAwareLoadBalancing`; default off.
    pub locality_aware: bool,
    /// `routing.zoneEgress`; default off. In force only with mTLS.
    pub zone_egress: bool,
    /// `routing.defaultForbidMeshExternalServiceAccess`; `true`: a zone egress lets nobody out to
    /// MeshExternalServices by default; default off.
    pub closes_external_services: bool,
    /// `networking.outbound.passthrough`; default on.
    pub passthrough: bool,
    /// `meshServices.mode`; default [`MeshServicesMode::Disabled`].
    pub mesh_services: MeshServicesMode,
    /// `logging`: the destinations of a TrafficLog's lines.
    pub logging: MeshLogging,
}

/// Logging backends of a mesh, for TrafficLog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshLogging {
    /// Name of the default backend; absent: none.
    pub default_backend: Option<String>,
    /// Backends, by name and in the order of the file.
    pub backends: Vec<(String, AccessLogBackend)>,
}

impl MeshLogging {
    /// Returns the backend with a name, or without one the default backend.
    pub fn backend(&self, name: Option<&str>) -> Option<&AccessLogBackend> {
        let wanted = name.or(self.default_backend.as_deref())?;
        self.backends.iter().find(|(name, _)| name == wanted).map(|(_, backend)| backend)
    }
}

/// mTLS backend: issuer of certificates in a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsBackend {
    /// Name of the backend.
    pub name: String,
    /// Type: `builtin`, `provided`, or a plugin's.
    pub kind: String,
    /// TLS mode: plaintext accepted or not.
    pub mode: MtlsMode,
}

/// TLS mode: plaintext accepted or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MtlsMode {
    /// TLS only.
    #[default]
    Strict,
    /// TLS and plaintext, for the transition.
    Permissive,
}

/// Sorts of outbounds that exist (spec 01 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MeshServicesMode {
    /// Tag-based ones only.
    #[default]
    Disabled,
    /// Tag-based and real ones.
    Everywhere,
    /// Both, but real ones only if a proxy lists them.
    ReachableBackends,
    /// Real ones only.
    Exclusive,
}

impl Mesh {
    /// mTLS backend in force: the enabled one, if it exists.
    pub fn mtls(&self) -> Option<&MtlsBackend> {
        let enabled = self.enabled_mtls_backend.as_ref()?;
        self.mtls_backends.iter().find(|backend| backend.name == *enabled)
    }
}
