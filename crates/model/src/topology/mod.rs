//! Meshes, dataplanes, services, gateways and zones: what exists in a mesh, independent of policies.

mod dataplane;
mod external_service;
mod gateway;
mod glimpsed;
mod mesh;
mod mesh_external_service;
mod mesh_identity;
mod mesh_multizone_service;
mod mesh_service;
mod protocol;
mod zone_proxy;

pub use dataplane::{
    Dataplane, DataplaneOutbound, Gateway, GatewayType, Inbound, InboundState, OutboundTarget,
    ReachableBackendRef, TransparentProxying, ZoneListener, ZoneListenerType,
};
pub use external_service::ExternalService;
pub use gateway::{CertificateSource, GatewayListener, GatewayProtocol, GatewayTls, MeshGateway, TlsMode};
pub use glimpsed::{MeshGatewayRoute, MeshZoneAddress, VirtualOutbound};
pub use mesh::{Mesh, MeshLogging, MeshServicesMode, MtlsBackend, MtlsMode};
pub use mesh_external_service::{
    AltName, ExternalAuthority, ExternalEndpoint, ExternalTls, MeshExternalService, Verification,
};
pub use mesh_identity::{
    IdentityProvider, IdentityReadiness, MeshIdentity, MeshTrust, Template, TemplatePiece,
};
pub use mesh_multizone_service::{MatchedMeshService, MeshMultiZoneService};
pub use mesh_service::{
    Identity, MeshService, ServiceAvailability, ServicePort, ServiceSelector, TargetPort,
};
pub use protocol::Protocol;
pub use zone_proxy::{AvailableService, ZoneEgress, ZoneIngress};
