//! Health of a cluster's endpoints at one moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check::Check;
use super::ejection::{Ejection, may_eject};
use super::report::EndpointState;
use crate::balance::Fitness;
use crate::config::Cluster;

/// Initial share of an endpoint in slow start, in percent of its weight.
const COLDEST: u8 = 10;
/// Number of steps of a slow start.
const STEPS: u32 = 20;

/// Health of a cluster's endpoints, in their order.
#[derive(Clone, Debug)]
pub struct Vitals {
    endpoints: Vec<Vital>,
}

#[derive(Clone, Debug)]
struct Vital {
    check: Option<Check>,
    ejection: Ejection,
    /// Begin of its slow start; `None`: not in one.
    fresh: Option<Instant>,
}

impl Vital {
    fn is_up(&self) -> bool {
        self.check.as_ref().is_none_or(Check::is_up)
    }

    fn is_usable(&self) -> bool {
        self.is_up() && !self.ejection.is_ejected()
    }
}

/// Change of an endpoint's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthChange {
    /// Down by its checks, for this reason.
    Down(Arc<str>),
    /// Up again by its checks.
    Up,
    /// Ejected for this time.
    Ejected(Duration),
    /// Takes connections again after an ejection.
    Returned,
}

impl Vitals {
    /// Creates the state of a new cluster: all endpoints are healthy, and none is in slow start, as all are equally
    /// fresh.
    pub fn new(cluster: &Cluster, now: Instant, mut lot: impl FnMut() -> u64) -> Self {
        let checks = cluster.health_check.as_ref().filter(|_| cluster.undialable.is_none());
        let vital = |_| Vital {
            check: checks.map(|config| Check::new(config, now, lot())),
            ejection: Ejection::default(),
            fresh: None,
        };
        Self { endpoints: cluster.endpoints.iter().map(vital).collect() }
    }

    /// State of the endpoints of a changed cluster: known ones keep theirs, new ones start slowly.
    pub fn carried_over(
        &self,
        before: &Cluster,
        cluster: &Cluster,
        now: Instant,
        mut lot: impl FnMut() -> u64,
    ) -> Self {
        let mut after = Self::new(cluster, now, &mut lot);
        let known: std::collections::BTreeMap<String, &Vital> =
            before.endpoints.iter().map(ToString::to_string).zip(&self.endpoints).collect();
        for (vital, endpoint) in after.endpoints.iter_mut().zip(&cluster.endpoints) {
            let Some(known) = known.get(&endpoint.to_string()) else {
                vital.fresh = Some(now);
                continue;
            };
            if let (Some(before), Some(config), Some(_)) = (&known.check, &cluster.health_check, &vital.check)
            {
                vital.check = Some(before.carried_over(config, now, lot()));
            }
            if cluster.outlier.is_some() {
                vital.ejection = known.ejection.clone();
            }
            vital.fresh = known.fresh;
        }
        after
    }

    /// Begins the check of an endpoint if one is due.
    pub fn begin_check(&mut self, endpoint: usize, now: Instant) -> bool {
        let check = self.endpoints.get_mut(endpoint).and_then(|vital| vital.check.as_mut());
        check.is_some_and(|check| check.begin(now))
    }

    /// Records the result of a check.
    pub fn end_check(
        &mut self,
        cluster: &Cluster,
        endpoint: usize,
        result: Result<(), Arc<str>>,
        now: Instant,
        lot: u64,
    ) -> Option<HealthChange> {
        let vital = self.endpoints.get_mut(endpoint)?;
        let (check, config) = (vital.check.as_mut()?, cluster.health_check.as_ref()?);
        if !check.end(config, result, now, lot) {
            return None;
        }
        if check.is_up() {
            vital.fresh = Some(now);
            return Some(HealthChange::Up);
        }
        Some(HealthChange::Down(Arc::clone(check.why())))
    }

    /// Ejects an endpoint because too many connections to it failed in a row, unless it is ejected already, or too many
    /// others are.
    pub fn eject(&mut self, cluster: &Cluster, endpoint: usize, now: Instant) -> Option<HealthChange> {
        let config = cluster.outlier.as_ref()?;
        let count = |wanted: fn(&Vital) -> bool| self.endpoints.iter().filter(|vital| wanted(vital)).count();
        let (ejected, usable) = (count(|vital| vital.ejection.is_ejected()), count(Vital::is_usable));
        let all = self.endpoints.len();
        let vital = self.endpoints.get_mut(endpoint)?;
        if !vital.is_usable() || !may_eject(config, all, ejected, usable) {
            return None;
        }
        vital.ejection.eject(config, now);
        vital.ejection.until().map(|until| HealthChange::Ejected(until - now))
    }

    /// Advances the time. Returns the endpoints that returned.
    pub fn pass(&mut self, cluster: &Cluster, now: Instant) -> Vec<(usize, HealthChange)> {
        let mut changes = Vec::new();
        for (index, vital) in self.endpoints.iter_mut().enumerate() {
            if let Some(config) = &cluster.outlier
                && vital.ejection.pass(config, now)
            {
                vital.fresh = Some(now);
                changes.push((index, HealthChange::Returned));
            }
            if let (Some(fresh), Some(window)) = (vital.fresh, cluster.slow_start)
                && now.saturating_duration_since(fresh) >= window
            {
                vital.fresh = None;
            }
        }
        changes
    }

    /// Time of the next timed event: a check, a return, a step of a slow start.
    pub fn next(&self, cluster: &Cluster, now: Instant) -> Option<Instant> {
        let step = |fresh: Instant| {
            let window = cluster.slow_start?;
            let step = (window / STEPS).max(Duration::from_millis(1));
            let gone = now.saturating_duration_since(fresh);
            let steps = (gone.as_nanos() / step.as_nanos()) as u32 + 1;
            Some((fresh + step * steps).min(fresh + window))
        };
        let of = |vital: &Vital| {
            let check = vital.check.as_ref().and_then(Check::due);
            let step = if vital.is_usable() { vital.fresh.and_then(step) } else { None };
            [check, vital.ejection.next(), step].into_iter().flatten().min()
        };
        self.endpoints.iter().filter_map(of).min()
    }

    /// State of each endpoint, as needed for choosing.
    pub fn fitness(&self, cluster: &Cluster, now: Instant) -> Vec<Fitness> {
        let warmth = |fresh: Option<Instant>| match (fresh, cluster.slow_start) {
            (Some(fresh), Some(window)) => {
                let step = (window / STEPS).max(Duration::from_millis(1));
                let steps = now.saturating_duration_since(fresh).as_nanos() / step.as_nanos();
                let percent = (steps * 100 / u128::from(STEPS)).min(100) as u8;
                percent.max(COLDEST)
            }
            (None, _) | (_, None) => 100,
        };
        let of = |vital: &Vital| Fitness {
            up: vital.is_up(),
            ejected: vital.ejection.is_ejected(),
            // an endpoint without connections is not warming up
            warmth: if vital.is_usable() { warmth(vital.fresh) } else { 100 },
        };
        self.endpoints.iter().map(of).collect()
    }

    /// State of an endpoint.
    pub fn state(&self, endpoint: usize) -> EndpointState {
        match self.endpoints.get(endpoint) {
            Some(vital) if !vital.is_up() => EndpointState::Down,
            Some(vital) if vital.ejection.is_ejected() => EndpointState::Ejected,
            Some(Vital { check: Some(check), .. }) if check.is_known() => EndpointState::Up,
            Some(_) | None => EndpointState::Unchecked,
        }
    }

    /// Reason from the checks of an endpoint that is down.
    pub fn why_down(&self, endpoint: usize) -> Option<&Arc<str>> {
        let check = self.endpoints.get(endpoint)?.check.as_ref()?;
        (!check.is_up()).then(|| check.why())
    }
}

#[cfg(test)]
mod tests;
