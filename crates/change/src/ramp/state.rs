//! State of a ramp, as kept in the status of its rollout.

use std::fmt;

use jiff::Timestamp;
use model::policy::{Percent, Rollout};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::judge::Judge;

/// Number of events that are kept.
pub(super) const EVENTS: usize = 20;

/// State of a ramp. Its JSON form is the status of the rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ramp {
    /// Phase.
    pub phase: Phase,
    /// Index of the step, from 0.
    pub step: usize,
    /// Share of `to` in force, of the sum that the route gives both.
    #[serde(deserialize_with = "percent")]
    pub weight: Percent,
    /// Begin of the present step and phase.
    pub since: Timestamp,
    /// Reason why it does not proceed, or how it ended; empty: it proceeds.
    #[serde(default)]
    pub note: String,
    /// Number of connections to `to` that were decided in this step.
    #[serde(default)]
    pub decided: u64,
    /// Observations of both sides.
    #[serde(default)]
    pub judge: Judge,
    /// Last 20 events, oldest first.
    #[serde(default)]
    pub events: Vec<RampEvent>,
    /// Fingerprint of the spec that it follows; another spec is followed from where it fits.
    #[serde(default)]
    pub follows: String,
    /// Pending request; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<RampRequest>,
    /// ID of the last request that was carried out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub obeyed: String,
}

/// Request to a ramp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RampRequest {
    /// Requested action.
    pub to: RampAction,
    /// Unique ID, which prevents a second execution of the request.
    pub id: String,
}

/// Phase of a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Proceeds with time.
    Progressing,
    /// Waits for approval: a step that needs it has had its time.
    AwaitingApproval,
    /// Paused by request.
    Paused,
    /// In force nowhere: its route or a backend does not exist.
    Held,
    /// Aborted, by a condition or by request.
    Aborted,
    /// All steps are done; its weights stay in force until the route has the same.
    Finished,
    /// All steps are done, and the route has the same weights.
    Adopted,
}

/// Action that can be requested of a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RampAction {
    /// Pauses the ramp where it is.
    Pause,
    /// Resumes it: after a pause, or where a step waits for approval.
    Resume,
    /// Takes the weight of the last step at once, and finishes.
    Promote,
    /// Goes back, and ends the ramp.
    Abort,
    /// Begins anew.
    Start,
}

/// Event of a ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RampEvent {
    /// Time.
    pub at: Timestamp,
    /// Phase after the event.
    pub phase: Phase,
    /// Share of `to` in force from then on.
    #[serde(deserialize_with = "percent")]
    pub weight: Percent,
    /// Description with figures, in words.
    pub what: String,
}

model::words! {
    /// Name in a status.
    Phase {
        Progressing: "Progressing",
        AwaitingApproval: "AwaitingApproval",
        Paused: "Paused",
        Held: "Held",
        Aborted: "Aborted",
        Finished: "Finished",
        Adopted: "Adopted",
    }
}

impl Phase {
    /// Returns `true` if the ramp does nothing more by itself.
    pub const fn is_over(self) -> bool {
        matches!(self, Phase::Aborted | Phase::Finished | Phase::Adopted)
    }
}

impl Ramp {
    /// Begins a ramp now. `follows`: the fingerprint of the spec.
    pub fn begin(rollout: &Rollout, now: Timestamp, follows: &str) -> Self {
        let mut ramp = Self {
            phase: Phase::Progressing,
            step: 0,
            weight: rollout.steps.first().map_or(Percent::whole(0), |step| step.weight),
            since: now,
            note: String::new(),
            decided: 0,
            judge: Judge::default(),
            events: Vec::new(),
            follows: follows.to_owned(),
            asked: None,
            obeyed: String::new(),
        };
        let count = rollout.steps.len();
        ramp.tell(now, format!("step 1 of {count}: {} to {}", ramp.weight, rollout.to));
        ramp
    }

    /// Parses the state from the status of its rollout; `None`: it has not begun.
    pub fn of_status(status: &Value) -> Option<Self> {
        Self::deserialize(status).ok()
    }

    /// Appends an event.
    pub(super) fn tell(&mut self, at: Timestamp, what: String) {
        let Self { phase, weight, .. } = *self;
        self.events.push(RampEvent { at, phase, weight, what });
        let more = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..more);
    }
}

/// Fingerprint of the spec in the document of a rollout: different specs have different ones.
pub fn fingerprint(document: &Value) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(document["spec"].to_string().as_bytes()))
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Percent, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Percent::of(&value).ok_or_else(|| serde::de::Error::custom("is no share in percent"))
}
