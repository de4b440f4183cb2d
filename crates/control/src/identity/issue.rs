//! Rules of issuing certificates: content, signer, renewal, and the trust of proxies meanwhile.
//!
//! ```text
//!  Request (a plan's Mtls) ─┐                                   ┌─▶ Held: Credentials, or a reason for having none
//!  Authority, or an error ──┴─▶ Issuing ── step(now, draw) ──▶ ─┴─▶ due: time of the next step
//! ```
//!
//! Time and draws are arguments: years pass in a test within a second. Nothing here uses a clock, a store or a file.

mod authority;
mod breaker;
mod issuing;
mod leaf;
mod renewal;
mod request;
mod roots;
#[cfg(test)]
mod years;

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{CertificateParams, date_time_ymd};

pub(crate) use authority::{Authority, ders, end_of, flaws, pair, parsed};
pub(crate) use issuing::{HeldCertificate, Issuing, Material, SigningSettings};
pub use leaf::LeafKeys;
pub(crate) use leaf::{Leaf, Wanted};
pub(crate) use request::{AuthorityId, Request};
pub(crate) use roots::Former;
#[cfg(test)]
pub(crate) use roots::IN_FORCE;

/// Period by which a certificate begins before its making: the clocks of hosts may be behind by that much.
pub(super) const BACKDATED: Duration = Duration::from_secs(10);

/// Sets the validity of a certificate, in whole seconds.
pub(super) fn lives(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let at = |at: Timestamp| {
        let seconds = u64::try_from(at.as_second()).unwrap_or_default();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    (params.not_before, params.not_after) = (at(from), at(until));
}

/// Message about a self-signed authority where none is allowed.
pub(crate) const SELF_SIGNED: &str = "self-signed certificates are not allowed";

/// Returns the time `by` after another; saturates at the last representable time.
pub(super) fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Returns the time `by` before another; saturates at the first representable time.
pub(super) fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
