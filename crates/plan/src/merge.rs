//! From the policies that speak about a proxy to rules about its destinations.

mod backend_ref;

pub use backend_ref::Destined;
pub(crate) use backend_ref::named;
