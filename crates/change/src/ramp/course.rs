//! Progress of a ramp.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::policy::{AbortCondition, OnAbort, Percent, Rollout, RolloutStep, WhenUnseen, format_duration};

use super::counts::SideCounts;
use super::judge::Judge;
use super::state::{Phase, Ramp, RampAction, RampEvent, RampRequest};

/// Input of a step of a ramp.
#[derive(Clone, Debug, PartialEq)]
pub struct Input<'a> {
    /// Present time.
    pub now: Timestamp,
    /// Standing of the rollout in plans.
    pub standing: RolloutPlacement,
    /// Counters of both sides since the last step.
    pub counted: SideCounts,
    /// Bounds of the connect times.
    pub bounds: &'a [Duration],
    /// Number of proxies with the rollout whose counters are not seen.
    pub unseen: usize,
    /// Fingerprint of the spec.
    pub follows: &'a str,
}

/// Standing of a rollout in plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutPlacement {
    /// No plan has it, for this reason in words.
    Nowhere(String),
    /// At least one plan has it.
    InForce {
        /// Share of `to` that the route itself gives, of the sum of both; `None`: both weights are 0.
        written: Option<Percent>,
    },
}

impl Ramp {
    /// Advances the ramp, and returns the new events.
    pub fn step(&mut self, rollout: &Rollout, input: &Input<'_>) -> Vec<RampEvent> {
        let before = self.events.last().cloned();
        self.go_on(rollout, input);
        // the last known event is searched from the end: the oldest may have been dropped
        let known = before.and_then(|before| self.events.iter().rposition(|event| *event == before));
        self.events.get(known.map_or(0, |at| at + 1)..).unwrap_or_default().to_vec()
    }

    /// Adjusts for a change of the clock by this much: the elapsed time of a step is kept.
    pub fn follow_clock(&mut self, by: SignedDuration) {
        self.since = self.since.saturating_add(by).unwrap_or(self.since);
    }

    fn go_on(&mut self, rollout: &Rollout, input: &Input<'_>) {
        let Input { now, standing, counted, bounds, unseen: _, follows } = input;
        // a time in the future, written by a clock that was ahead, is not waited for
        self.since = self.since.min(*now);
        if self.follows != *follows {
            self.follow(rollout, *now, follows);
        }
        if let Some(RampRequest { to, id }) = self.asked.take()
            && self.obeyed != id
        {
            self.obey(to, rollout, *now, follows);
            self.obeyed = id;
        }
        match (self.phase, standing) {
            (Phase::Finished | Phase::Adopted | Phase::Aborted, standing) => {
                return self.compare_with_route(rollout, standing, *now);
            }
            (Phase::Held, RolloutPlacement::Nowhere(why)) => {
                self.note.clone_from(why);
                return;
            }
            // a manual pause ends only by a manual resume
            (Phase::Paused, RolloutPlacement::Nowhere(_)) => return,
            (_, RolloutPlacement::Nowhere(why)) => {
                self.enter(Phase::Held, *now);
                self.note.clone_from(why);
                return self.tell(*now, format!("stands still: {why}"));
            }
            (Phase::Held, RolloutPlacement::InForce { .. }) => {
                self.enter(Phase::Progressing, *now);
                let Self { step, weight, .. } = *self;
                self.tell(*now, format!("goes on with step {}: {weight} to {}", step + 1, rollout.to));
            }
            (
                Phase::Progressing | Phase::AwaitingApproval | Phase::Paused,
                RolloutPlacement::InForce { .. },
            ) => {}
        }
        self.decided += counted.to.decided();
        self.judge.see(rollout, counted, bounds);
        if let Some(verdict) = self.judge.verdict(rollout, bounds) {
            self.enter(Phase::Aborted, *now);
            if rollout.on_abort == OnAbort::Return {
                self.weight = Percent::whole(0);
            }
            self.note = verdict.to_string();
            let weight = self.weight;
            return self.tell(*now, format!("aborted, {weight} to {}: {verdict}", rollout.to));
        }
        if self.phase == Phase::Progressing {
            self.progress(rollout, input);
        }
    }

    /// Takes the next step if the present one has lasted long enough and has enough samples.
    fn progress(&mut self, rollout: &Rollout, Input { now, unseen, .. }: &Input<'_>) {
        let Some(step) = rollout.steps.get(self.step) else { return };
        let RolloutStep { weight: _, duration, approval, samples } = *step;
        let lasted = Duration::try_from(now.duration_since(self.since)).unwrap_or_default();
        if lasted < duration {
            return self.note.clear();
        }
        if let Some(why) = self.unjudged(rollout, samples, *unseen) {
            self.note = format!("{} are over, but {why}", format_duration(duration));
            return;
        }
        if approval {
            self.enter(Phase::AwaitingApproval, *now);
            self.note = format!("waits for approval to go beyond {}", self.weight);
            let figures = self.figures(rollout);
            return self.tell(*now, format!("step {} waits for approval{figures}", self.step + 1));
        }
        self.advance(rollout, *now);
    }

    /// Reason why the results of `to` in this step are unknown; `None`: they are known, or not needed.
    fn unjudged(&self, rollout: &Rollout, samples: u64, unseen: usize) -> Option<String> {
        if rollout.abort.is_empty() || rollout.when_unseen == WhenUnseen::Proceed {
            return None;
        }
        if unseen > 0 {
            let proxies = if unseen == 1 { "proxy that has it" } else { "proxies that have it" };
            return Some(format!("not enough is seen: the counts of {unseen} {proxies} are not known"));
        }
        let few = self.decided < samples;
        few.then(|| {
            format!("not enough is seen: {} of {samples} connections to {}", self.decided, rollout.to)
        })
    }

    fn advance(&mut self, rollout: &Rollout, now: Timestamp) {
        let figures = self.figures(rollout);
        match rollout.steps.get(self.step + 1) {
            Some(next) => {
                self.enter(Phase::Progressing, now);
                self.step += 1;
                self.weight = next.weight;
                let (step, count) = (self.step + 1, rollout.steps.len());
                self.tell(now, format!("step {step} of {count}: {} to {}{figures}", self.weight, rollout.to));
            }
            None => self.finish(rollout, now, figures),
        }
    }

    fn finish(&mut self, rollout: &Rollout, now: Timestamp, figures: String) {
        self.enter(Phase::Finished, now);
        self.step = rollout.steps.len().saturating_sub(1);
        self.weight = rollout.steps.last().map_or(self.weight, |step| step.weight);
        self.note = self.until_the_route_says_so(rollout);
        self.tell(now, format!("finished with {} to {}{figures}", self.weight, rollout.to));
    }

    fn until_the_route_says_so(&self, rollout: &Rollout) -> String {
        let Self { weight, .. } = self;
        format!("in force until MeshTCPRoute {} itself gives {weight} to {}", rollout.route, rollout.to)
    }

    /// Reports when the route itself has the weights of a finished ramp: then the ramp is no longer needed.
    fn compare_with_route(&mut self, rollout: &Rollout, standing: &RolloutPlacement, now: Timestamp) {
        let agrees = match standing {
            RolloutPlacement::InForce { written } => *written == Some(self.weight),
            RolloutPlacement::Nowhere(_) => false,
        };
        let same = "the route says the same: this rollout can be deleted";
        match (self.phase, agrees) {
            (Phase::Finished, true) => {
                self.enter(Phase::Adopted, now);
                self.note = same.to_owned();
                self.tell(now, format!("MeshTCPRoute {} says the same now", rollout.route));
            }
            (Phase::Adopted, false) => {
                self.enter(Phase::Finished, now);
                self.note = self.until_the_route_says_so(rollout);
                self.tell(now, format!("MeshTCPRoute {} does not say the same any more", rollout.route));
            }
            _ => {}
        }
    }

    /// Follows another spec. A ramp that is over begins anew; one in progress keeps its weight, and goes on with the
    /// first step beyond it. Changed conditions, or sides, are judged from now on.
    fn follow(&mut self, rollout: &Rollout, now: Timestamp, follows: &str) {
        if self.phase.is_over() {
            return self.begin_anew(rollout, now, follows);
        }
        follows.clone_into(&mut self.follows);
        self.judge = Judge::default();
        let at = rollout.steps.iter().rposition(|step| step.weight <= self.weight).unwrap_or_default();
        self.step = at;
        self.enter(self.phase, now);
        if let Some(step) = rollout.steps.get(at) {
            self.weight = step.weight;
        }
        let (step, count, weight) = (at + 1, rollout.steps.len(), self.weight);
        self.tell(now, format!("its spec is another: step {step} of {count}, {weight} to {}", rollout.to));
    }

    fn begin_anew(&mut self, rollout: &Rollout, now: Timestamp, follows: &str) {
        let events = std::mem::take(&mut self.events);
        let mut anew = Ramp::begin(rollout, now, follows);
        let first = std::mem::replace(&mut anew.events, events);
        first.into_iter().for_each(|event| anew.tell(event.at, event.what));
        *self = anew;
    }

    fn obey(&mut self, asked: RampAction, rollout: &Rollout, now: Timestamp, follows: &str) {
        match (asked, self.phase) {
            (RampAction::Start, _) => self.begin_anew(rollout, now, follows),
            (RampAction::Pause, Phase::Progressing | Phase::AwaitingApproval | Phase::Held) => {
                self.enter(Phase::Paused, now);
                self.note = "paused by hand".to_owned();
                let weight = self.weight;
                self.tell(now, format!("paused by hand with {weight} to {}", rollout.to));
            }
            (RampAction::Resume, Phase::AwaitingApproval) => self.advance(rollout, now),
            (RampAction::Resume, Phase::Paused) => {
                self.enter(Phase::Progressing, now);
                let weight = self.weight;
                self.tell(now, format!("resumed by hand with {weight} to {}", rollout.to));
            }
            (RampAction::Promote, phase) if phase != Phase::Aborted && !phase.is_over() => {
                let figures = self.figures(rollout);
                self.finish(rollout, now, format!(", promoted by hand{figures}"));
            }
            (RampAction::Abort, phase) if phase != Phase::Aborted => {
                self.enter(Phase::Aborted, now);
                self.weight = Percent::whole(0);
                self.note = "aborted by hand".to_owned();
                self.tell(now, format!("aborted by hand, 0 % to {}", rollout.to));
            }
            // already in this state
            (RampAction::Pause | RampAction::Resume | RampAction::Promote | RampAction::Abort, _) => {}
        }
    }

    /// Begins a phase of a step: its time and counters start from now.
    fn enter(&mut self, phase: Phase, now: Timestamp) {
        self.phase = phase;
        self.since = now;
        self.decided = 0;
        self.note.clear();
    }

    /// Figures of both sides, in words; empty: there are no conditions.
    fn figures(&self, rollout: &Rollout) -> String {
        let mut shares = rollout.abort.iter().filter(|it| matches!(it, AbortCondition::Share { .. }));
        let figures = shares
            .next()
            .map(|condition| format!("; {}: {}", condition.signal(), self.judge.figures(*condition, &[])));
        figures.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
