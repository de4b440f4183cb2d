//! Readers of policies.

mod conf;
mod connection_match;
mod generic;
mod legacy;
mod mesh_tls;
mod passthrough;
mod permission;
mod ref_rules;
mod role;
mod rollout;
mod route;
mod route_conf;
pub(super) mod schema;
mod written_ref;

pub(super) use generic::policy;
pub(super) use legacy::policy as legacy_policy;
pub(super) use role::assign as assign_role;
pub(super) use rollout::read as rollout;
pub(super) use route::{http, tcp};
