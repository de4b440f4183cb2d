//! Readers of meshes, dataplanes, services, gateways and zones: one file per kind, and one for each part that
//! several kinds share (addresses, ports, protocols, tags).

mod address;
mod data_source;
mod dataplane;
mod external_service;
mod gateway;
mod glimpsed;
mod mesh;
mod mesh_external_service;
mod mesh_multizone_service;
mod mesh_service;
mod port;
mod protocol;
mod service_name;
mod service_ref;
pub(super) mod tags;
mod traffic_route;
mod zone_proxy;

pub(super) use dataplane::dataplane;
pub(super) use external_service::external_service;
pub(super) use gateway::mesh_gateway;
pub(super) use glimpsed::{mesh_gateway_route, mesh_zone_address, virtual_outbound};
pub(super) use mesh::mesh;
pub(super) use mesh_external_service::mesh_external_service;
pub(super) use mesh_multizone_service::mesh_multizone_service;
pub(super) use mesh_service::mesh_service;
pub(super) use traffic_route::traffic_route;
pub(super) use zone_proxy::{zone_egress, zone_ingress};

/// Message for a missing required value.
const CANNOT_BE_EMPTY: &str = "cannot be empty";
/// Message for a missing required value, where the reference uses these words.
const MUST_BE_DEFINED: &str = "must be defined";
