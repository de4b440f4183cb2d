//! Counters of connections.

use std::borrow::Cow;
use std::collections::BTreeMap;

use l4::Ending;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConnectTimes;

/// Counters of connections. All numbers but the gauges `active` and `on_old_weights` only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Number of times the backend was chosen. A chosen connection that is neither opened nor refused is being dialled.
    pub chosen: u64,
    /// Connections established.
    pub opened: u64,
    /// Live connections.
    pub active: u64,
    /// Live connections that were decided by weights no longer in force.
    pub on_old_weights: u64,
    /// Connections that the proxy itself ended although both ends wanted them.
    pub cut: u64,
    /// Connections that an end reset.
    pub resets: u64,
    /// Resets before [`EARLY_BYTES`](super::EARLY_BYTES) had been sent to the client, or before
    /// [`EARLY_TIME`](super::EARLY_TIME) was over.
    pub resets_early: u64,
    /// Connections for which the backend was chosen and every attempt to connect failed, by cause.
    pub connect_failures: Causes,
    /// Failed attempts to connect, including those after which another endpoint was tried.
    pub failed_attempts: u64,
    /// Connections that were refused for another reason, by cause.
    pub refused: Causes,
    /// Bytes from clients.
    pub bytes_from_clients: u64,
    /// Bytes to clients.
    pub bytes_to_clients: u64,
    /// Connect times.
    pub connect_times: ConnectTimes,
}

/// Cause of a refusal, as in the connection log, e.g. `connect-timeout`.
pub type Cause = Cow<'static, str>;

/// Number of refused connections, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Causes(pub BTreeMap<Cause, u64>);

impl Causes {
    /// Number of all refused connections.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    fn add(&mut self, other: &Self) {
        for (cause, more) in &other.0 {
            let sum = self.0.entry(cause.clone()).or_default();
            *sum = sum.saturating_add(*more);
        }
    }

    fn since(&self, before: &Self) -> Self {
        let difference = self.0.iter().map(|(cause, count)| {
            (cause.clone(), count.saturating_sub(before.0.get(cause).copied().unwrap_or(0)))
        });
        Self(difference.filter(|(_, count)| *count > 0).collect())
    }
}

/// Cause from a word of the connection log, and `true` if it is a failure to connect. Newer proxies may have more
/// words.
pub(super) fn cause(word: String) -> (Cause, bool) {
    match Ending::ALL.iter().find(|ending| ending.as_str() == word) {
        Some(ending) => (Cow::Borrowed(ending.as_str()), ending.is_connect_failure()),
        None => {
            let failed = word.starts_with("connect-");
            (Cow::Owned(word), failed)
        }
    }
}

impl Counts {
    /// Number of failed connections: connect failures and refusals for other reasons.
    pub fn failed(&self) -> u64 {
        self.connect_failures.total() + self.refused.total()
    }

    /// Adds counters of another place or a later time.
    pub fn add(&mut self, other: &Self) {
        let Counts {
            chosen,
            opened,
            active,
            on_old_weights,
            cut,
            resets,
            resets_early,
            connect_failures,
            failed_attempts,
            refused,
            bytes_from_clients,
            bytes_to_clients,
            connect_times,
        } = other;
        for (sum, more) in [
            (&mut self.chosen, chosen),
            (&mut self.opened, opened),
            (&mut self.active, active),
            (&mut self.on_old_weights, on_old_weights),
            (&mut self.cut, cut),
            (&mut self.resets, resets),
            (&mut self.resets_early, resets_early),
            (&mut self.failed_attempts, failed_attempts),
            (&mut self.bytes_from_clients, bytes_from_clients),
            (&mut self.bytes_to_clients, bytes_to_clients),
        ] {
            *sum = sum.saturating_add(*more);
        }
        self.connect_failures.add(connect_failures);
        self.refused.add(refused);
        self.connect_times.add(connect_times);
    }

    /// Returns the counters since an earlier time; gauges keep their value. A counter below its earlier value was
    /// restarted.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        if self.chosen < before.chosen || self.opened < before.opened {
            return self.clone();
        }
        let Counts {
            chosen,
            opened,
            active,
            on_old_weights,
            cut,
            resets,
            resets_early,
            connect_failures,
            failed_attempts,
            refused,
            bytes_from_clients,
            bytes_to_clients,
            connect_times,
        } = self;
        Self {
            chosen: chosen.saturating_sub(before.chosen),
            opened: opened.saturating_sub(before.opened),
            active: *active,
            on_old_weights: *on_old_weights,
            cut: cut.saturating_sub(before.cut),
            resets: resets.saturating_sub(before.resets),
            resets_early: resets_early.saturating_sub(before.resets_early),
            connect_failures: connect_failures.since(&before.connect_failures),
            failed_attempts: failed_attempts.saturating_sub(before.failed_attempts),
            refused: refused.since(&before.refused),
            bytes_from_clients: bytes_from_clients.saturating_sub(before.bytes_from_clients),
            bytes_to_clients: bytes_to_clients.saturating_sub(before.bytes_to_clients),
            connect_times: connect_times.since(&before.connect_times),
        }
    }

    /// Returns the counters without the gauges of live connections.
    pub(super) fn without_living(self) -> Self {
        Self { active: 0, on_old_weights: 0, ..self }
    }

    /// Returns only the gauges of live connections.
    pub(super) fn only_living(&self) -> Self {
        Self { active: self.active, on_old_weights: self.on_old_weights, ..Self::default() }
    }

    /// Subtracts the live connections of others.
    pub(super) fn forget_living(&mut self, others: &Self) {
        self.active = self.active.saturating_sub(others.active);
        self.on_old_weights = self.on_old_weights.saturating_sub(others.on_old_weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(opened: u64, refused: u64) -> Counts {
        let causes = BTreeMap::from([("limit".into(), refused)]);
        Counts { chosen: opened, opened, active: 3, refused: Causes(causes), ..Counts::default() }
    }

    #[test]
    fn the_difference_and_the_earlier_time_are_the_later_one() {
        let (before, after) = (counts(5, 1), counts(9, 4));
        let difference = after.since(&before);
        assert_eq!((difference.opened, difference.active, difference.failed()), (4, 3, 3));
        let mut sum = before.clone().without_living();
        sum.add(&difference);
        assert_eq!(sum, after);
        // it was restarted
        assert_eq!(counts(2, 0).since(&before).opened, 2);
    }

    #[test]
    fn a_word_that_only_newer_proxies_know_is_kept() {
        assert_eq!(cause("connect-timeout".into()), ("connect-timeout".into(), true));
        assert_eq!(cause("denied".into()), ("denied".into(), false));
        assert_eq!(cause("connect-unheard-of".into()), ("connect-unheard-of".into(), true));
    }
}
