//! The law of issuing: what a certificate says, who signs it, when it is made anew, whom proxies believe meanwhile.
//!
//! ```text
//!  Request (a plan's Mtls) ─┐                                   ┌─▶ Held: Credentials, or why there are none
//!  Authority, or why none ──┴─▶ Issuing ── step(now, draw) ──▶ ─┴─▶ due: when to step again
//! ```
//!
//! Time and draws are arguments: years pass in a test within a second. Nothing here asks a clock, a store or a file.

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
pub(crate) use issuing::{Held, Issuing, Material, Signs};
pub use leaf::LeafKeys;
pub(crate) use leaf::{Leaf, Wanted};
pub(crate) use request::{AuthorityId, Request};
pub(crate) use roots::Former;
#[cfg(test)]
pub(crate) use roots::IN_FORCE;

/// How far the clocks of hosts may be behind: so much before its making a certificate begins.
pub(super) const BACKDATED: Duration = Duration::from_secs(10);

/// Says from when until when a certificate is valid, in whole seconds.
pub(super) fn lives(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let at = |at: Timestamp| {
        let seconds = u64::try_from(at.as_second()).unwrap_or_default();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    (params.not_before, params.not_after) = (at(from), at(until));
}

/// Why an authority that nobody else signed does not sign, where that was not allowed.
pub(crate) const SELF_SIGNED: &str = "self-signed certificates are not allowed";

/// A time after another; the last that there is where that would be later.
pub(super) fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A time before another; the first that there is where that would be earlier.
pub(super) fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
