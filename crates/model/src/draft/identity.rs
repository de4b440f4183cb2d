//! MeshIdentity and MeshTrust: the identities of workloads, and the authorities that they trust (spec 07 §12, §13).

mod mesh_identity;
mod spiffe_id;
mod template;
mod trust;

pub(crate) use mesh_identity::mesh_identity;
pub use spiffe_id::broken_by as broken_spiffe_id;
pub(crate) use trust::mesh_trust;
