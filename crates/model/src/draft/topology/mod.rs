//! Readers of meshes, dataplanes, services, gateways and zones.

pub(super) use super::kinds::{
    other as mesh, other as dataplane, other as mesh_service, other as mesh_multizone_service,
    other as mesh_external_service, other as mesh_gateway, other as zone_ingress, other as zone_egress,
    other as external_service, other as traffic_route,
};
