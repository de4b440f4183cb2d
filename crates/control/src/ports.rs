//! Limit on the ports of proxies that somebody without the right to change anything may have planned.
//!
//! A port takes fifty bytes in a document, and some 20 KiB in a plan and in what two dialects say of it: a limit on bytes
//! alone would let a reader, or a proxy that brings its own Dataplane, take gigabytes.

use model::topology::Dataplane;
use model::{Resource, Spec};

/// Limit on the ports of one caller's resources.
pub(crate) const PORTS: usize = 10_000;

/// Returns the number of ports that a resource has a proxy open: inbounds, outbounds, and listeners of a zone proxy.
pub(crate) fn of(resource: &Resource) -> usize {
    let Spec::Dataplane(Dataplane { inbound, outbound, listeners, .. }) = resource.spec() else { return 0 };
    inbound.len() + outbound.len() + listeners.len()
}
