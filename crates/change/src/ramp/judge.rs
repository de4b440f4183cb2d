//! Judge of a ramp: observations of both sides, and the decision to abort.

use std::fmt;
use std::time::Duration;

use model::policy::{AbortCondition, Limit, Rollout};
use serde::{Deserialize, Serialize};

use super::counts::{FailureShare, SideCounts};
use super::evidence::Evidence;

/// Minimum number of connections of each side in a span of time that is compared. Fewer are no evidence if one side is
/// small; with more, an influence that made both sides worse for a while no longer cancels out.
const SPAN: u64 = 10;

/// Observations of both sides since a ramp began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Judge {
    /// Counters that were compared.
    compared: SideCounts,
    /// Counters since then: the sides are compared when there is enough of both.
    open: SideCounts,
    /// Evidence for each condition, in the order of the rollout.
    evidence: Vec<Evidence>,
}

/// Reason to abort a ramp.
#[derive(Clone, Debug, PartialEq)]
pub struct RampVerdict {
    /// Condition that is true.
    pub condition: AbortCondition,
    /// Figures of both sides, in words.
    pub figures: String,
    /// Likelihood ratio of the observations if the condition is true.
    pub ratio: f64,
    /// Likelihood ratio that would have been enough.
    pub needed: f64,
}

impl Judge {
    /// All counters.
    pub fn all(&self) -> SideCounts {
        let mut all = self.compared.clone();
        all.add(&self.open);
        all
    }

    /// Adds the counters of both sides since the last time. `bounds`: those of the connect times.
    pub fn see(&mut self, rollout: &Rollout, new: &SideCounts, bounds: &[Duration]) {
        self.evidence.resize(rollout.abort.len(), Evidence::default());
        self.open.add(new);
        let is_enough = self.open.from.decided() >= SPAN && self.open.to.decided() >= SPAN;
        let Self { compared, open, evidence } = self;
        for (condition, evidence) in rollout.abort.iter().zip(evidence.iter_mut()) {
            match *condition {
                AbortCondition::Share { of, limit: Limit::Above(limit) } => {
                    evidence.of_one(limit.as_f64() / 100.0, new.to.part(of));
                }
                // of times that 99 of 100 must keep, at most 1 in 100 may be slower
                AbortCondition::ConnectTime { limit: Limit::Above(limit) } => {
                    if let Some(bound) = at_least(bounds, limit) {
                        evidence.of_one(0.01, new.to.slower(bound));
                    }
                }
                AbortCondition::Share { of, limit: Limit::Worse(times) } if is_enough => {
                    evidence.of_two(times.as_f64(), open.from.part(of), open.to.part(of));
                }
                AbortCondition::ConnectTime { limit: Limit::Worse(times) } if is_enough => {
                    // the bound is chosen before the present counters are known
                    let Some(own) = compared.from.p99(bounds) else { continue };
                    let Some(limit) = bounds.get(own).map(|bound| bound.mul_f64(times.as_f64())) else {
                        continue;
                    };
                    if let Some(other) = at_least(bounds, limit) {
                        evidence.of_two(1.0, open.from.slower(own), open.to.slower(other));
                    }
                }
                AbortCondition::Share { limit: Limit::Worse(_), .. }
                | AbortCondition::ConnectTime { limit: Limit::Worse(_) } => {}
            }
        }
        if is_enough {
            let open = std::mem::take(&mut self.open);
            self.compared.add(&open);
        }
    }

    /// Returns the condition that is true within the error rate of the rollout; `None`: none, or not yet.
    pub fn verdict(&self, rollout: &Rollout, bounds: &[Duration]) -> Option<RampVerdict> {
        let SideCounts { from, to } = self.all();
        // the error probabilities of all conditions add up to the rate
        let needed = rollout.abort.len() as f64 * 100.0 / rollout.error_rate.as_f64();
        let mut conditions = rollout.abort.iter().zip(&self.evidence);
        conditions.find_map(|(condition, evidence)| {
            let compares = matches!(
                condition,
                AbortCondition::Share { limit: Limit::Worse(_), .. }
                    | AbortCondition::ConnectTime { limit: Limit::Worse(_) }
            );
            let is_sample =
                to.decided() >= rollout.samples && (!compares || from.decided() >= rollout.samples);
            (is_sample && evidence.log() >= needed.ln()).then(|| RampVerdict {
                condition: *condition,
                figures: self.figures(*condition, bounds),
                ratio: evidence.log().exp(),
                needed,
            })
        })
    }

    /// Figures of both sides for a condition, in words: `31 of 206 (15.0 %), the other side 4 of 1,853 (0.2 %)`.
    pub fn figures(&self, condition: AbortCondition, bounds: &[Duration]) -> String {
        let SideCounts { from, to } = self.all();
        match condition {
            AbortCondition::Share { of, .. } => {
                format!("{}, the other side {}", to.part(of), from.part(of))
            }
            AbortCondition::ConnectTime { .. } => {
                let words = |bound: Option<usize>| match bound.and_then(|bound| bounds.get(bound)) {
                    Some(bound) => format!("99 of 100 within {}", model::policy::format_duration(*bound)),
                    None => "99 of 100 within no bound that is counted".to_owned(),
                };
                format!("{}, the other side {}", words(to.p99(bounds)), words(from.p99(bounds)))
            }
        }
    }
}

/// Index of the least bound that is not below a time; `None`: there is none, and slower connects cannot be told.
fn at_least(bounds: &[Duration], time: Duration) -> Option<usize> {
    bounds.iter().position(|bound| *bound >= time)
}

impl fmt::Display for FailureShare {
    /// `31 of 206 (15.0 %)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bad, all } = self;
        write!(f, "{bad} of {all} ({:.1} %)", self.fraction() * 100.0)
    }
}

impl fmt::Display for RampVerdict {
    /// `ConnectFailures 1.2 times the other side's: 31 of 206 (15.0 %), the other side 4 of 1853 (0.2 %)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, figures, ratio, needed } = self;
        write!(f, "{condition}: {figures}; evidence {ratio:.0} to 1, where {needed:.0} is enough")
    }
}
