//! Rollouts: one process advances every MeshTCPRollout through its steps, and writes its state into the status.
//!
//! ```text
//!  Current: rollouts, plans ──▶ Applied: proxies with it ─────┐
//!  reports of proxies, here and at others ──▶ ObservedCounts ─┴─▶ change::ramp ──▶ status, in its StatusStore ──▶ plans
//! ```
//!
//! The state is the status: the next leader goes on from it. Connections counted between two leaders are left out, on
//! both sides.

mod clock;
mod observer;
mod place;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use change::Entry;
use change::ramp::{Input, Ramp, RampRequest, SideCounts, fingerprint};
use jiff::Timestamp;
use model::policy::Rollout;
use model::{ResourceKey, Spec};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::replicas::Others;
use clock::Clock;

pub use observer::RolloutObserver;
pub use place::StatusStore;

/// Interval at which each rollout is looked at.
const LOOKS: Duration = Duration::from_secs(1);
/// Interval at which counts are written without other news.
const WRITES: Duration = Duration::from_secs(10);

/// Intervals of the job.
#[derive(Clone, Copy)]
struct Pace {
    looks: Duration,
    writes: Duration,
}

/// Advances rollouts, as long as it is polled.
pub async fn keep(place: StatusStore, observer: Arc<RolloutObserver>, others: watch::Receiver<Others>) {
    keep_at(Pace { looks: LOOKS, writes: WRITES }, place, observer, others).await;
}

async fn keep_at(
    pace: Pace,
    place: StatusStore,
    observer: Arc<RolloutObserver>,
    others: watch::Receiver<Others>,
) {
    let mut running: BTreeMap<ResourceKey, Running> = BTreeMap::new();
    let mut beat = tokio::time::interval(pace.looks);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut clock = Clock::start();
    loop {
        beat.tick().await;
        let (now, jump) = clock.look();
        if !jump.is_zero() {
            tracing::warn!(
                seconds = jump.as_secs(),
                "the clock was set: steps of rollouts last as long as before"
            );
            running.values_mut().for_each(|one| one.ramp.follow_clock(jump));
        }
        let looked_at = observer.look();
        let gone = running.keys().filter(|key| !looked_at.rollouts.contains_key(*key));
        for key in gone.cloned().collect::<Vec<_>>() {
            running.remove(&key);
            if let Err(error) = place.forget(&key).await {
                tracing::debug!(rollout = %key, %error, "the status of a rollout that is gone stays");
            }
        }
        let replicas = Arc::clone(&others.borrow().replicas);
        for (key, (entry, applied)) in &looked_at.rollouts {
            let Spec::Rollout(rollout) = entry.resource.spec() else { continue };
            let own = (Arc::from("this"), observer.seen(key, &looked_at));
            let elsewhere = replicas.iter().filter_map(|replica| {
                Some((Arc::clone(&replica.name), replica.ramps.get(&key.to_string())?.clone()))
            });
            let seen: BTreeMap<Arc<str>, _> = elsewhere.chain([own]).collect();
            let one = running.entry(key.clone()).or_insert_with(|| Running::of(entry, rollout, now));
            one.hear(entry);
            let sides = one.since_last(seen.iter().map(|(who, seen)| (who, &seen.sides)));
            // the last decision is not in force yet
            if rollout.in_force == Some(one.ramp.weight) {
                let input = Input {
                    now,
                    standing: applied.standing.clone(),
                    counted: sides,
                    bounds: &observer.bounds(),
                    unseen: seen.values().map(|seen| seen.unseen).sum(),
                    follows: &fingerprint(entry.document.value()),
                };
                for event in one.ramp.step(rollout, &input) {
                    tracing::info!(rollout = %key, phase = %event.phase, weight = %event.weight, "{}", event.what);
                }
            }
            if one.is_to_write(pace.writes)
                && let Err(error) = one.write(&place, key).await
            {
                tracing::debug!(rollout = %key, %error, "where a rollout stands is not written down");
            }
        }
    }
}

/// Rollout that is advanced here.
struct Running {
    ramp: Ramp,
    /// Document that was last checked for requests.
    heard: Arc<Entry>,
    /// Counts of each control plane at the last look.
    counted: BTreeMap<Arc<str>, SideCounts>,
    /// Stored state, and the time of its writing.
    written: Option<(Ramp, Instant)>,
}

impl Running {
    /// Resumes from the status of a rollout, or begins it.
    fn of(entry: &Arc<Entry>, rollout: &Rollout, now: Timestamp) -> Self {
        let known = Ramp::of_status(&entry.document.value()["status"]);
        let written = known.clone().map(|ramp| (ramp, Instant::now()));
        let ramp = known.unwrap_or_else(|| Ramp::begin(rollout, now, &fingerprint(entry.document.value())));
        Self { ramp, heard: Arc::clone(entry), counted: BTreeMap::new(), written }
    }

    /// Takes over a request from the document.
    fn hear(&mut self, entry: &Arc<Entry>) {
        if !Arc::ptr_eq(&self.heard, entry) {
            self.heard = Arc::clone(entry);
            self.take_request(&entry.document.value()["status"]);
        }
    }

    fn take_request(&mut self, status: &Value) {
        let asked = RampRequest::deserialize(&status["asked"]).ok();
        self.ramp.asked = asked.filter(|asked| asked.id != self.ramp.obeyed).or(self.ramp.asked.take());
    }

    /// Returns the counts since the last look; those of a control plane that is new here are left out.
    fn since_last<'a>(&mut self, seen: impl Iterator<Item = (&'a Arc<str>, &'a SideCounts)>) -> SideCounts {
        let mut sum = SideCounts::default();
        for (who, now) in seen {
            if let Some(before) = self.counted.insert(Arc::clone(who), now.clone()) {
                sum.add(&now.since(&before));
            }
        }
        sum
    }

    /// Returns `true` if the stored state is outdated: something happened, or counts changed more than `after` ago.
    fn is_to_write(&self, after: Duration) -> bool {
        let Some((written, since)) = &self.written else { return true };
        let happened = |ramp: &Ramp| {
            let Ramp {
                phase,
                step,
                weight,
                since,
                note: _,
                decided: _,
                judge: _,
                events,
                follows,
                asked,
                obeyed,
            } = ramp;
            (*phase, *step, *weight, *since, events.clone(), follows.clone(), asked.clone(), obeyed.clone())
        };
        happened(written) != happened(&self.ramp) || (since.elapsed() >= after && *written != self.ramp)
    }

    /// Writes the state into the status.
    async fn write(&mut self, place: &StatusStore, key: &ResourceKey) -> Result<(), String> {
        let make = |status: &Value| {
            // there may be a new request since
            self.take_request(status);
            json!(self.ramp)
        };
        // if a concurrent change came first, the next look writes it
        if place.amend(key, make).await? {
            self.written = Some((self.ramp.clone(), Instant::now()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
