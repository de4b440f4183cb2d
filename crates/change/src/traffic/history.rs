//! Rates of the last quarter of an hour.

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Counts;

/// Time between samples.
pub const STEP: Duration = Duration::from_secs(5);

/// Number of samples that are kept: 15 minutes.
pub const SAMPLES: usize = 180;

/// Number of steps that the observed split is computed from: a minute.
const LATELY: usize = 12;

/// Rates of one step, per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pace {
    /// Connections established.
    pub opened: f64,
    /// Connections whose connects failed, or that were refused.
    pub failed: f64,
    /// Connections that were reset early.
    pub resets_early: f64,
    /// Bytes from clients.
    pub bytes_from_clients: f64,
    /// Bytes to clients.
    pub bytes_to_clients: f64,
    /// Live connections at the end of the step.
    pub active: u32,
    /// Live connections that were decided by weights no longer in force.
    pub on_old_weights: u32,
}

impl Pace {
    /// Computes the rates of counters over a time.
    pub(super) fn of(counted: &Counts, time: Duration) -> Self {
        let seconds = time.as_secs_f64().max(0.001);
        // more digits than anybody reads would only make answers longer
        let each_second = |count: u64| (count as f64 / seconds * 100.0).round() / 100.0;
        Self {
            opened: each_second(counted.opened),
            failed: each_second(counted.failed()),
            resets_early: each_second(counted.resets_early),
            bytes_from_clients: each_second(counted.bytes_from_clients),
            bytes_to_clients: each_second(counted.bytes_to_clients),
            active: u32::try_from(counted.active).unwrap_or(u32::MAX),
            on_old_weights: u32::try_from(counted.on_old_weights).unwrap_or(u32::MAX),
        }
    }

    /// Returns `true` if nothing happened, and no connection is live.
    pub(super) fn is_still(&self) -> bool {
        *self == Self::default()
    }
}

/// Rates of the last [`SAMPLES`] steps, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Columns", into = "Columns")]
pub struct History(VecDeque<Pace>);

impl History {
    /// All steps, oldest first.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &Pace> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, pace: Pace) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(pace);
    }

    pub(super) fn is_still(&self) -> bool {
        self.0.iter().all(Pace::is_still)
    }

    /// Number of connections established in the last [`LATELY`] steps.
    pub(super) fn lately(&self) -> f64 {
        let paces = self.0.iter().rev().take(LATELY);
        paces.map(|pace| pace.opened * STEP.as_secs_f64()).sum()
    }
}

/// Serialized history, by columns; columns that are all 0 are left out.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct Columns {
    /// Number of steps.
    steps: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    opened: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resets_early: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bytes_from_clients: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bytes_to_clients: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    active: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    on_old_weights: Vec<u32>,
}

impl From<History> for Columns {
    fn from(History(steps): History) -> Self {
        fn column<T: Default + PartialEq>(steps: &VecDeque<Pace>, of: impl Fn(&Pace) -> T) -> Vec<T> {
            let column: Vec<T> = steps.iter().map(of).collect();
            if column.iter().all(|value| *value == T::default()) { Vec::new() } else { column }
        }
        Self {
            steps: steps.len(),
            opened: column(&steps, |pace| pace.opened),
            failed: column(&steps, |pace| pace.failed),
            resets_early: column(&steps, |pace| pace.resets_early),
            bytes_from_clients: column(&steps, |pace| pace.bytes_from_clients),
            bytes_to_clients: column(&steps, |pace| pace.bytes_to_clients),
            active: column(&steps, |pace| pace.active),
            on_old_weights: column(&steps, |pace| pace.on_old_weights),
        }
    }
}

impl From<Columns> for History {
    fn from(columns: Columns) -> Self {
        let Columns {
            steps,
            opened,
            failed,
            resets_early,
            bytes_from_clients,
            bytes_to_clients,
            active,
            on_old_weights,
        } = columns;
        fn at<T: Copy + Default>(column: &[T], step: usize) -> T {
            column.get(step).copied().unwrap_or_default()
        }
        let pace = |step| Pace {
            opened: at(&opened, step),
            failed: at(&failed, step),
            resets_early: at(&resets_early, step),
            bytes_from_clients: at(&bytes_from_clients, step),
            bytes_to_clients: at(&bytes_to_clients, step),
            active: at(&active, step),
            on_old_weights: at(&on_old_weights, step),
        };
        Self((0..steps.min(SAMPLES)).map(pace).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_travels_without_what_did_not_happen() {
        let mut history = History::default();
        for step in 0..SAMPLES + 3 {
            history.push(Pace { opened: step as f64 / 2.0, active: 7, ..Pace::default() });
        }
        let written = serde_json::to_value(&history).unwrap();
        let names: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["steps", "opened", "active"]);
        assert_eq!(serde_json::from_value::<History>(written).unwrap(), history);
        assert_eq!(history.steps().next().unwrap().opened, 1.5);
    }
}
