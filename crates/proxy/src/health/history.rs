//! The history of one endpoint since it was first seen, for reports.

use std::sync::Arc;

use jiff::Timestamp;
use l4::health::EndpointState;

use super::cell::Failing;

/// The history of an endpoint since it was first seen.
#[derive(Clone, Debug)]
pub(super) struct EndpointHistory {
    pub(super) state: EndpointState,
    /// The time since which it is so.
    pub(super) since: Timestamp,
    /// The reason for which it was set aside last; `None`: it never was.
    pub(super) set_aside_for: Option<Failing>,
    pub(super) checks: u64,
    pub(super) failed_checks: u64,
    pub(super) ejections: u64,
}

impl EndpointHistory {
    pub(super) fn new(state: EndpointState, now: Timestamp) -> Self {
        Self { state, since: now, set_aside_for: None, checks: 0, failed_checks: 0, ejections: 0 }
    }

    /// Notes how the endpoint is.
    pub(super) fn note(&mut self, state: EndpointState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    /// The reason for which the endpoint takes no connections; empty when it does. `down` is what its checks say.
    pub(super) fn why(&self, down: Option<&Arc<str>>) -> Arc<str> {
        match (self.state, self.set_aside_for) {
            (EndpointState::Down, _) => down.cloned().unwrap_or_default(),
            (EndpointState::Ejected, Some(failing)) => failing.in_words().into(),
            (EndpointState::Ejected | EndpointState::Up | EndpointState::Unchecked, _) => Arc::default(),
        }
    }
}
