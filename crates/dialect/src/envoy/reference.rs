//! Settings that the reference adds by version where a plan has none (recorded of 2.14.3; spec 04 §9, §10).

use std::time::Duration;

use model::Profile;

/// Settings of the reference where a plan has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReferenceDefaults {
    /// Connect timeout: of the application beside the proxy, and from a zone ingress to proxies of the zone.
    pub(super) connect_timeout: Duration,
    /// `true`: the statistics of a cluster's limits count what remains of them.
    pub(super) tracks_remaining: bool,
    /// `true`: a proxy to which connections are redirected has a cluster for those without a destination.
    pub(super) has_nowhere: bool,
    /// `true`: a zone ingress that offers nothing reports its identity; before, it has no listener.
    pub(super) empty_ingress_answers: bool,
    /// `true`: real services outside the mesh are distinguished from those by tags.
    pub(super) external_services_are_real: bool,
}

impl ReferenceDefaults {
    pub(super) fn of(profile: Profile) -> Self {
        Self {
            connect_timeout: Duration::from_secs(if profile < Profile::V2_6 { 10 } else { 5 }),
            tracks_remaining: profile >= Profile::V2_14,
            has_nowhere: profile >= Profile::V2_14,
            empty_ingress_answers: profile >= Profile::V2_7,
            external_services_are_real: profile >= Profile::V2_9,
        }
    }
}
