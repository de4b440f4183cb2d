//! Active health checks of one endpoint: several equal results in a row change its state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::HealthCheck;

/// State of one endpoint by its checks.
///
/// An endpoint is up until a number of checks in a row failed, and down until a number of checks in a row succeeded.
#[derive(Clone, Debug)]
pub(super) struct Check {
    up: bool,
    /// Number of checks in a row with the opposite result.
    contrary: u32,
    /// Reason of the last failed check.
    why: Arc<str>,
    due: Instant,
    running: bool,
    /// `true`: at least one check has ended.
    known: bool,
}

impl Check {
    /// Creates the state of an endpoint that was never checked: it is up. `lot`, of all 64 bits, decides the time of
    /// the first check.
    pub(super) fn new(config: &HealthCheck, now: Instant, lot: u64) -> Self {
        let due = now + share(config.initial_jitter, lot);
        Self { up: true, contrary: 0, why: "".into(), due, running: false, known: false }
    }

    /// State of the same endpoint under a changed configuration: its results are kept, and it is checked soon.
    pub(super) fn carried_over(&self, config: &HealthCheck, now: Instant, lot: u64) -> Self {
        let due = self.due.min(now + config.interval + share(config.interval_jitter, lot));
        Self { due, running: false, ..self.clone() }
    }

    /// Begins a check if one is due.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let begins = !self.running && self.due <= now;
        self.running |= begins;
        begins
    }

    /// Time of the next check; `None`: a check is running.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.running).then_some(self.due)
    }

    /// Records the result of a check. Returns `true` if it changed the state.
    pub(super) fn end(
        &mut self,
        config: &HealthCheck,
        result: Result<(), Arc<str>>,
        now: Instant,
        lot: u64,
    ) -> bool {
        self.running = false;
        self.known = true;
        self.due = now + config.interval + share(config.interval_jitter, lot);
        let good = result.is_ok();
        if let Err(why) = result {
            self.why = why;
        }
        if good == self.up {
            self.contrary = 0;
            return false;
        }
        self.contrary += 1;
        let enough = if self.up { config.unhealthy_threshold } else { config.healthy_threshold };
        if self.contrary < enough.get() {
            return false;
        }
        self.up = good;
        self.contrary = 0;
        true
    }

    /// Returns `true` if a check has ended so far.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// Reason of the last failed check.
    pub(super) fn why(&self) -> &Arc<str> {
        &self.why
    }
}

/// Share of a duration: `lot` of 2⁶⁴.
fn share(of: Duration, lot: u64) -> Duration {
    let nanoseconds = (of.as_nanos().min(u64::MAX.into()) * u128::from(lot)) >> 64;
    Duration::from_nanos(nanoseconds as u64)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn config(unhealthy: u32, healthy: u32) -> HealthCheck {
        HealthCheck {
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            unhealthy_threshold: NonZeroU32::new(unhealthy).unwrap(),
            healthy_threshold: NonZeroU32::new(healthy).unwrap(),
            initial_jitter: Duration::from_secs(3),
            interval_jitter: Duration::from_millis(500),
            send: Arc::default(),
            receive: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_mind_changes_after_so_many_in_a_row_and_not_before(
            results in prop::collection::vec(any::<bool>(), 0..60), unhealthy in 1..4u32, healthy in 1..4u32,
        ) {
            let config = config(unhealthy, healthy);
            let mut now = Instant::now();
            let mut check = Check::new(&config, now, 0);
            let mut last: Vec<bool> = Vec::new();
            for good in results {
                now += Duration::from_secs(1);
                let before = check.is_up();
                let changed = check.end(&config, if good { Ok(()) } else { Err("refused".into()) }, now, 7);
                last.push(good);
                let needed = if before { unhealthy } else { healthy } as usize;
                let contrary = last.iter().rev().take_while(|good| **good != before).count();
                prop_assert_eq!(changed, contrary == needed);
                prop_assert_eq!(check.is_up(), before ^ changed);
                if changed {
                    last.clear();
                }
            }
        }

        #[test]
        fn the_next_check_is_due_an_interval_later_and_its_jitter(lot in any::<u64>()) {
            let (config, start) = (config(1, 1), Instant::now());
            let mut check = Check::new(&config, start, lot);
            let first = check.due().unwrap();
            prop_assert!(first >= start && first < start + Duration::from_secs(3));
            prop_assert!(check.begin(first) && !check.begin(first) && check.due().is_none());
            check.end(&config, Ok(()), first, lot);
            let wait = check.due().unwrap() - first;
            prop_assert!(wait >= Duration::from_secs(1) && wait < Duration::from_millis(1500));
            prop_assert!(!check.begin(first + Duration::from_millis(999)));
        }
    }
}
