//! What an operator may say.
//!
//! ```text
//!  bytes ──draft──▶ Document ──parse(profile)──▶ Resource { Meta, Spec }      (or violations, all of them at once)
//! ```
//!
//! * [`name`] — text with a role: mesh, proxy, resource, service
//! * [`mod@reference`] — whom a policy is for ([`TargetRef`]), where traffic goes ([`BackendRef`]), what a thing is called
//!   everywhere ([`ResourceId`])
//! * [`kind`] — the one table of kinds
//! * [`key`] — who a resource is
//! * [`resource`] — one resource
//! * [`topology`] — meshes, dataplanes, services, gateways, zones
//! * [`policy`] — routes and the other policies that a TCP outbound feels
//! * [`declared`] — what labels of ours say about connections, where Kuma has no field for it
//! * [`profile`] — which Kuma version's rules apply
//! * [`draft`] — text into documents with positions, documents into resources
//! * [`violation`] — what is wrong, where, and what to do
//! * [`problems`] — how many of them are kept
//!
//! A [`Resource`] that exists is valid: nothing after [`draft::parse`] checks a field again.

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

pub use address_range::{AddressRange, InvalidRange};
pub use key::{NoKey, ResourceKey};
pub use kind::Kind;
pub use name::{MeshName, ProxyKey, ResourceName};
pub use problems::Problems;
pub use profile::Profile;
pub use reference::{BackendRef, Labels, ProxyType, RefKind, ResourceId, Tags, TargetRef};
pub use resource::{Meta, Origin, PolicyRole, Resource, Spec};
pub use violation::{FieldPath, Problem, Severity, Violation};
