//! Model of the resources that an operator writes.
//!
//! ```text
//!  bytes ──draft──▶ Document ──parse(profile)──▶ Resource { Meta, Spec }      (or violations, all of them at once)
//! ```
//!
//! * [`name`] — text with a role: mesh, proxy, resource, service
//! * [`mod@reference`] — references: targets of policies ([`TargetRef`]), backends ([`BackendRef`]), and
//!   identifiers of resources ([`ResourceId`])
//! * [`kind`] — the table of kinds
//! * [`key`] — keys of resources
//! * [`resource`] — resources: metadata and body
//! * [`topology`] — meshes, dataplanes, services, gateways, zones
//! * [`policy`] — routes and the other policies that affect a TCP outbound
//! * [`declared`] — connection settings declared by our own labels, where Kuma has no field for them
//! * [`profile`] — Kuma versions whose rules apply
//! * [`draft`] — text into documents with positions, documents into resources
//! * [`violation`] — violations and problems: what is wrong, where, and what to do
//! * [`problems`] — bounded collections of problems
//!
//! A [`Resource`] is valid: nothing after [`draft::parse`] checks a field again.

mod address_range;
pub mod declared;
pub mod draft;
pub mod key;
pub mod kind;
pub mod name;
pub mod policy;
pub mod problems;
pub mod profile;
pub mod reference;
pub mod resource;
pub mod topology;
pub mod violation;
mod words;

pub use address_range::{AddressRange, InvalidRange};
pub use key::{NoKey, ResourceKey};
pub use kind::Kind;
pub use name::{MeshName, ProxyKey, ResourceName};
pub use problems::Problems;
pub use profile::Profile;
pub use reference::{BackendRef, Labels, ProxyType, RefKind, ResourceId, Tags, TargetRef};
pub use resource::{Meta, Origin, PolicyRole, Resource, Spec};
pub use violation::{FieldPath, Problem, Severity, Violation};
