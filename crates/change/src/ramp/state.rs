//! Where a ramp stands: what the status of its rollout says.

use std::fmt;

use jiff::Timestamp;
use model::policy::{Percent, Rollout};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::judge::Judge;

/// How many events are kept.
pub(super) const EVENTS: usize = 20;

/// Where a ramp stands. As JSON it is the status of the rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ramp {
    /// What it is doing.
    pub phase: Phase,
    /// Which step it is in, counted from 0.
    pub step: usize,
    /// The share of `to` that is in force, of what the route gives both.
    #[serde(deserialize_with = "percent")]
    pub weight: Percent,
    /// Since when it is in this step and phase.
    pub since: Timestamp,
    /// Why it does not go on, or how it ended; empty: it goes on.
    #[serde(default)]
    pub note: String,
    /// How many connections to `to` were decided in this step.
    #[serde(default)]
    pub decided: u64,
    /// What is known of both sides.
    #[serde(default)]
    pub judge: Judge,
    /// The last 20 events, oldest first.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Which spec it follows: another one is followed from where it fits.
    #[serde(default)]
    pub follows: String,
    /// What somebody asks for; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Request>,
    /// What was asked last and is done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub obeyed: String,
}

/// Something that somebody asks of a ramp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What.
    pub to: Asked,
    /// What no other request has: one is not obeyed twice.
    pub id: String,
}

/// What a ramp is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It goes on as time passes.
    Progressing,
    /// A step that lasts until somebody resumes has had its time.
    AwaitingApproval,
    /// Somebody has stopped it.
    Paused,
    /// It is in force nowhere: its route or a backend is not there.
    Held,
    /// It was ended, by a condition or by hand.
    Aborted,
    /// All steps are done; its weights stay in force until the route says the same.
    Finished,
    /// All steps are done, and the route says the same.
    Adopted,
}

/// What somebody can ask of a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// To stop where it is.
    Pause,
    /// To go on: after a pause, or where a step waits for approval.
    Resume,
    /// To take the weight of the last step now, and be done.
    Promote,
    /// To go back, and be done.
    Abort,
    /// To begin anew.
    Start,
}

/// Something that happened to a ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What it did then.
    pub phase: Phase,
    /// The share of `to` in force from then on.
    #[serde(deserialize_with = "percent")]
    pub weight: Percent,
    /// What happened, with its figures, in words.
    pub what: String,
}

impl Phase {
    /// Whether nothing happens any more by itself.
    pub const fn is_over(self) -> bool {
        matches!(self, Phase::Aborted | Phase::Finished | Phase::Adopted)
    }

    /// The phase as a status says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Progressing => "Progressing",
            Phase::AwaitingApproval => "AwaitingApproval",
            Phase::Paused => "Paused",
            Phase::Held => "Held",
            Phase::Aborted => "Aborted",
            Phase::Finished => "Finished",
            Phase::Adopted => "Adopted",
        }
    }

    /// Every phase.
    pub const ALL: [Phase; 7] = [
        Phase::Progressing,
        Phase::AwaitingApproval,
        Phase::Paused,
        Phase::Held,
        Phase::Aborted,
        Phase::Finished,
        Phase::Adopted,
    ];
}

impl Ramp {
    /// A ramp that begins now, by a spec of this fingerprint.
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

    /// Where a ramp stands by the status of its rollout; `None`: it has not begun.
    pub fn of_status(status: &Value) -> Option<Self> {
        Self::deserialize(status).ok()
    }

    /// Notes that something happened.
    pub(super) fn tell(&mut self, at: Timestamp, what: String) {
        let Self { phase, weight, .. } = *self;
        self.events.push(Event { at, phase, weight, what });
        let more = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..more);
    }
}

/// What tells one spec of a rollout from another: of the document of one.
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
