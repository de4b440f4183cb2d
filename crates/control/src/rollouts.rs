//! Rollouts: one process takes every MeshTCPRollout from step to step, and writes where it stands into its status.
//!
//! ```text
//!  Current: rollouts, plans ──▶ Applied: who has it ─┐
//!  what proxies report, here and at others ──▶ Seen ─┴─▶ change::ramp ──▶ status, in its Place ──▶ plans
//! ```
//!
//! The state is the status: whoever leads next goes on from what stands there. What was counted between two leaders is left
//! out, of both sides.

mod clock;
mod place;
mod seer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use change::Entry;
use change::ramp::{Input, Ramp, Request, Sides, fingerprint};
use jiff::Timestamp;
use model::policy::Rollout;
use model::{ResourceKey, Spec};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::replicas::Others;
use clock::Clock;

pub use place::Place;
pub use seer::Seer;

/// How often each rollout is looked at.
const LOOKS: Duration = Duration::from_secs(1);
/// How often what is counted is written down though nothing happened.
const WRITES: Duration = Duration::from_secs(10);

/// How fast the job goes.
#[derive(Clone, Copy)]
struct Pace {
    looks: Duration,
    writes: Duration,
}

/// Takes rollouts from step to step, as long as it is polled.
pub async fn keep(place: Place, seer: Arc<Seer>, others: watch::Receiver<Others>) {
    keep_at(Pace { looks: LOOKS, writes: WRITES }, place, seer, others).await;
}

async fn keep_at(pace: Pace, place: Place, seer: Arc<Seer>, others: watch::Receiver<Others>) {
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
        let looked_at = seer.look();
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
            let own = (Arc::from("this"), seer.seen(key, &looked_at));
            let elsewhere = replicas.iter().filter_map(|replica| {
                Some((Arc::clone(&replica.name), replica.ramps.get(&key.to_string())?.clone()))
            });
            let seen: BTreeMap<Arc<str>, _> = elsewhere.chain([own]).collect();
            let one = running.entry(key.clone()).or_insert_with(|| Running::of(entry, rollout, now));
            one.hear(entry);
            let sides = one.since_last(seen.iter().map(|(who, seen)| (who, &seen.sides)));
            // what was decided last is not in force yet
            if rollout.in_force == Some(one.ramp.weight) {
                let input = Input {
                    now,
                    standing: applied.standing.clone(),
                    counted: sides,
                    bounds: &seer.bounds(),
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

/// A rollout that is taken from step to step here.
struct Running {
    ramp: Ramp,
    /// The document that was looked at last for what somebody asks.
    heard: Arc<Entry>,
    /// What each control plane had counted at the last look.
    counted: BTreeMap<Arc<str>, Sides>,
    /// What stands in the store, and since when.
    written: Option<(Ramp, Instant)>,
}

impl Running {
    /// One that goes on from its status, or begins.
    fn of(entry: &Arc<Entry>, rollout: &Rollout, now: Timestamp) -> Self {
        let known = Ramp::of_status(&entry.document.value()["status"]);
        let written = known.clone().map(|ramp| (ramp, Instant::now()));
        let ramp = known.unwrap_or_else(|| Ramp::begin(rollout, now, &fingerprint(entry.document.value())));
        Self { ramp, heard: Arc::clone(entry), counted: BTreeMap::new(), written }
    }

    /// Takes in what somebody asks by the document.
    fn hear(&mut self, entry: &Arc<Entry>) {
        if !Arc::ptr_eq(&self.heard, entry) {
            self.heard = Arc::clone(entry);
            self.take_request(&entry.document.value()["status"]);
        }
    }

    fn take_request(&mut self, status: &Value) {
        let asked = Request::deserialize(&status["asked"]).ok();
        self.ramp.asked = asked.filter(|asked| asked.id != self.ramp.obeyed).or(self.ramp.asked.take());
    }

    /// What was counted since the last look; nothing by who is new here.
    fn since_last<'a>(&mut self, seen: impl Iterator<Item = (&'a Arc<str>, &'a Sides)>) -> Sides {
        let mut sum = Sides::default();
        for (who, now) in seen {
            if let Some(before) = self.counted.insert(Arc::clone(who), now.clone()) {
                sum.add(&now.since(&before));
            }
        }
        sum
    }

    /// Whether what stands in the store is too old: something happened, or more was counted a while ago.
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

    /// Writes where it stands into the status.
    async fn write(&mut self, place: &Place, key: &ResourceKey) -> Result<(), String> {
        let make = |status: &Value| {
            // somebody may have asked for something since
            self.take_request(status);
            json!(self.ramp)
        };
        // where somebody was faster, the next look writes it
        if place.amend(key, make).await? {
            self.written = Some((self.ramp.clone(), Instant::now()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
