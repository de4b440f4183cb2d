//! History of one endpoint since it was first seen, for reports.

use std::sync::Arc;

use jiff::Timestamp;
use l4::health::EndpointState;

use super::cell::Failing;

/// History of an endpoint since it was first seen.
#[derive(Clone, Debug)]
pub(super) struct EndpointHistory {
    pub(super) state: EndpointState,
    /// Time of the last change of state.
    pub(super) since: Timestamp,
    /// Reason of the last ejection; `None`: it was never ejected.
    pub(super) set_aside_for: Option<Failing>,
    pub(super) checks: u64,
    pub(super) failed_checks: u64,
    pub(super) ejections: u64,
}

impl EndpointHistory {
    pub(super) fn new(state: EndpointState, now: Timestamp) -> Self {
        Self { state, since: now, set_aside_for: None, checks: 0, failed_checks: 0, ejections: 0 }
    }

    /// Records the state of the endpoint.
    pub(super) fn note(&mut self, state: EndpointState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    /// Returns the reason why the endpoint accepts no connections; empty: it does. `down`: the result of its
    /// checks.
    pub(super) fn why(&self, down: Option<&Arc<str>>) -> Arc<str> {
        match (self.state, self.set_aside_for) {
            (EndpointState::Down, _) => down.cloned().unwrap_or_default(),
            (EndpointState::Ejected, Some(failing)) => failing.in_words().into(),
            (EndpointState::Ejected | EndpointState::Up | EndpointState::Unchecked, _) => Arc::default(),
        }
    }
}
