//! Health of all clusters that are served. Locked by the checker and by the thread that applies a configuration,
//! and never by a worker while it carries connections.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use l4::balance::{Condition, Fitness, Roster, Tables};
use l4::config::{Cluster, Listener, ProxyName};
use l4::health::{ClusterHealth, EndpointHealth, HealthChange, Vitals};

use super::cell::{Alarm, Bounds, Cell, Failing};
use super::history::EndpointHistory;

/// Key of a cluster over all changes of configuration.
pub(super) type ClusterKey = (ProxyName, Arc<str>);

/// Health of all clusters that are served.
#[derive(Debug)]
pub(crate) struct Board {
    entries: Mutex<BTreeMap<ClusterKey, Entry>>,
    alarm: Arc<Alarm>,
}

#[derive(Debug)]
struct Entry {
    cell: Arc<Cell>,
    vitals: Vitals,
    tables: Tables,
    fitness: Vec<Fitness>,
    histories: Vec<EndpointHistory>,
    next: Option<Instant>,
}

/// Check that is due.
pub(super) struct DueCheck {
    pub(super) key: ClusterKey,
    pub(super) cell: Arc<Cell>,
    /// Index of the endpoint in the cluster.
    pub(super) endpoint: usize,
}

impl Board {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { entries: Mutex::default(), alarm: Arc::new(Alarm::new()?) })
    }

    pub(super) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches these listeners' clusters from now on, and no others. The health of endpoints that stay is kept.
    pub(crate) fn watch(&self, listeners: &[Arc<Listener>]) {
        let now = Instant::now();
        let mut entries = self.lock();
        let mut before = std::mem::take(&mut *entries);
        for (key, cluster) in clusters(listeners) {
            if entries.contains_key(&key) {
                continue;
            }
            let entry = match before.remove(&key) {
                Some(entry) if entry.cell.cluster() == cluster => entry,
                Some(entry) => entry.carried_over(cluster, now),
                None => Entry::new(cluster, Bounds::new(cluster), Arc::clone(&self.alarm), now),
            };
            entries.insert(key, entry);
        }
        drop(entries);
        self.alarm.ring();
    }

    /// Returns the part of a cluster that workers share with the checker.
    pub(crate) fn cell(&self, proxy: &ProxyName, cluster: &Arc<Cluster>) -> Arc<Cell> {
        let key = (proxy.clone(), Arc::clone(&cluster.name));
        match self.lock().get(&key) {
            Some(entry) if entry.cell.cluster() == cluster => Arc::clone(&entry.cell),
            // an earlier version of the cluster: it is not checked any more
            Some(_) | None => {
                Entry::new(cluster, Bounds::new(cluster), Arc::clone(&self.alarm), Instant::now()).cell
            }
        }
    }

    /// Number of changes of rosters so far.
    pub(crate) fn changes(&self) -> u64 {
        self.alarm.changes()
    }

    /// Time at which something is due next; `None`: nothing is.
    pub(super) fn next(&self) -> Option<Instant> {
        self.lock().values().filter_map(|entry| entry.next).min()
    }

    /// Does everything that is due, and returns up to `room` checks to run.
    pub(super) fn turn(&self, now: Instant, room: usize) -> Vec<DueCheck> {
        let mut checks = Vec::new();
        let mut entries = self.lock();
        for (key, entry) in &mut *entries {
            let failing = entry.cell.take_failing();
            if failing.is_empty() && entry.next.is_none_or(|next| next > now) {
                continue;
            }
            entry.turn(key, &failing, now);
            for endpoint in 0..entry.histories.len() {
                if checks.len() < room && entry.vitals.begin_check(endpoint, now) {
                    checks.push(DueCheck { key: key.clone(), cell: Arc::clone(&entry.cell), endpoint });
                }
            }
            entry.next = entry.vitals.next(entry.cell.cluster(), now);
        }
        checks
    }

    /// Records the result of a check.
    pub(super) fn done(&self, check: &DueCheck, result: Result<(), Arc<str>>, now: Instant) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&check.key) else { return };
        // not of another version of the cluster: the index would be another endpoint's
        if Arc::ptr_eq(&entry.cell, &check.cell) {
            entry.done(&check.key, check.endpoint, result, now);
        }
    }

    /// Reports the health of every cluster that is checked, has slow starts or limits.
    pub(crate) fn report(&self) -> Vec<ClusterHealth> {
        let entries = self.lock();
        let watched = entries.iter().filter(|(_, entry)| entry.is_watched());
        watched.map(|(key, entry)| entry.report(key)).collect()
    }
}

impl Entry {
    fn new(cluster: &Arc<Cluster>, bounds: Arc<Bounds>, alarm: Arc<Alarm>, now: Instant) -> Self {
        let vitals = Vitals::new(cluster, now, jitter);
        Self::with(cluster, vitals, Tables::new(cluster), bounds, alarm, now)
    }

    fn with(
        cluster: &Arc<Cluster>,
        vitals: Vitals,
        tables: Tables,
        bounds: Arc<Bounds>,
        alarm: Arc<Alarm>,
        now: Instant,
    ) -> Self {
        let fitness = vitals.fitness(cluster, now);
        let roster = Roster::new(cluster, &tables, &fitness);
        let next = vitals.next(cluster, now);
        let fresh = |endpoint| EndpointHistory::new(vitals.state(endpoint), Timestamp::now());
        let histories = (0..cluster.endpoints.len()).map(fresh).collect();
        let cell = Arc::new(Cell::new(Arc::clone(cluster), roster, bounds, alarm));
        Self { cell, vitals, tables, fitness, histories, next }
    }

    fn carried_over(self, cluster: &Arc<Cluster>, now: Instant) -> Self {
        let before = self.cell.cluster();
        let vitals = self.vitals.carried_over(before, cluster, now, jitter);
        let same_tables = before.endpoints == cluster.endpoints && before.policy == cluster.policy;
        let tables = if same_tables { self.tables.clone() } else { Tables::new(cluster) };
        let (bounds, alarm) = self.cell.shared();
        bounds.set(cluster);
        let mut after = Self::with(cluster, vitals, tables, bounds, alarm, now);
        let names = before.endpoints.iter().map(ToString::to_string);
        let known: BTreeMap<String, EndpointHistory> = names.zip(self.histories).collect();
        for (history, endpoint) in after.histories.iter_mut().zip(&cluster.endpoints) {
            if let Some(known) = known.get(&endpoint.to_string()) {
                *history = known.clone();
            }
        }
        after.note();
        after
    }

    fn is_watched(&self) -> bool {
        let cluster = self.cell.cluster();
        cluster.health_check.is_some()
            || cluster.outlier.is_some()
            || cluster.slow_start.is_some()
            || cluster.max_connections.is_some()
            || cluster.max_pending.is_some()
    }

    fn turn(&mut self, key: &ClusterKey, failing: &[(usize, Failing)], now: Instant) {
        let cluster = Arc::clone(self.cell.cluster());
        for (endpoint, failing) in failing {
            if let Some(change) = self.vitals.eject(&cluster, *endpoint, now) {
                if let Some(history) = self.histories.get_mut(*endpoint) {
                    history.ejections += 1;
                    history.set_aside_for = Some(*failing);
                }
                tell(key, &cluster, *endpoint, &change);
            }
        }
        for (endpoint, change) in self.vitals.pass(&cluster, now) {
            tell(key, &cluster, endpoint, &change);
        }
        self.note();
        self.publish(key, now);
    }

    /// Records since when each endpoint has had its state.
    fn note(&mut self) {
        let now = Timestamp::now();
        for (endpoint, history) in self.histories.iter_mut().enumerate() {
            history.note(self.vitals.state(endpoint), now);
        }
    }

    fn done(&mut self, key: &ClusterKey, endpoint: usize, result: Result<(), Arc<str>>, now: Instant) {
        let cluster = Arc::clone(self.cell.cluster());
        if let Some(history) = self.histories.get_mut(endpoint) {
            history.checks += 1;
            history.failed_checks += u64::from(result.is_err());
        }
        if let Some(change) = self.vitals.end_check(&cluster, endpoint, result, now, jitter()) {
            tell(key, &cluster, endpoint, &change);
            self.publish(key, now);
        }
        if let Some(history) = self.histories.get_mut(endpoint) {
            history.note(self.vitals.state(endpoint), Timestamp::now());
        }
        self.next = self.vitals.next(&cluster, now);
    }

    /// Publishes the roster to workers if it has changed.
    fn publish(&mut self, (proxy, cluster): &ClusterKey, now: Instant) {
        let fitness = self.vitals.fitness(self.cell.cluster(), now);
        if fitness == self.fitness {
            return;
        }
        let roster = Roster::new(self.cell.cluster(), &self.tables, &fitness);
        let (before, after) = (self.cell.roster().condition(), roster.condition());
        self.cell.set_roster(roster);
        self.fitness = fitness;
        match after {
            _ if before == after => {}
            Condition::Calm => tracing::info!(%proxy, cluster = &**cluster, "the cluster is well again"),
            Condition::Panic => tracing::warn!(
                %proxy,
                cluster = &**cluster,
                "so few endpoints are up that all of them are used, whatever their health"
            ),
            Condition::Down => {
                tracing::warn!(%proxy, cluster = &**cluster, "the cluster is down: no endpoint takes connections");
            }
        }
    }

    fn report(&self, (proxy, cluster): &ClusterKey) -> ClusterHealth {
        let config = self.cell.cluster();
        let endpoints = config.endpoints.iter().zip(&self.fitness).zip(&self.histories).enumerate();
        let endpoints = endpoints.map(|(index, ((endpoint, fitness), history))| EndpointHealth {
            endpoint: endpoint.to_string().into(),
            state: history.state,
            since: history.since,
            why: history.why(self.vitals.why_down(index)),
            warmth: fitness.warmth,
            checks: history.checks,
            failed_checks: history.failed_checks,
            ejections: history.ejections,
        });
        let [connections, pending] = self.cell.usage();
        ClusterHealth {
            proxy: proxy.clone(),
            cluster: Arc::clone(cluster),
            condition: self.cell.roster().condition(),
            endpoints: endpoints.collect(),
            connections,
            pending,
        }
    }
}

fn clusters(listeners: &[Arc<Listener>]) -> impl Iterator<Item = (ClusterKey, &Arc<Cluster>)> {
    let all =
        listeners.iter().flat_map(|listener| listener.clusters().map(move |cluster| (listener, cluster)));
    all.map(|(listener, cluster)| ((listener.proxy.clone(), Arc::clone(&cluster.name)), cluster))
}

/// Logs a change of an endpoint, once each.
fn tell((proxy, cluster): &ClusterKey, config: &Cluster, endpoint: usize, change: &HealthChange) {
    let Some(endpoint) = config.endpoints.get(endpoint) else { return };
    let cluster = &**cluster;
    match change {
        HealthChange::Down(why) => tracing::warn!(%proxy, cluster, %endpoint, %why, "an endpoint is down"),
        HealthChange::Up => tracing::info!(%proxy, cluster, %endpoint, "an endpoint is up again"),
        HealthChange::Ejected(time) => tracing::warn!(
            %proxy,
            cluster,
            %endpoint,
            seconds = time.as_secs(),
            "an endpoint is set aside: connections to it failed"
        ),
        HealthChange::Returned => {
            tracing::info!(%proxy, cluster, %endpoint, "an endpoint takes connections again")
        }
    }
}

/// Returns randomness that spreads checks and returns.
fn jitter() -> u64 {
    fastrand::u64(..)
}
