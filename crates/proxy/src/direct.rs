//! Direct connections, which reach their endpoint without a relay: counted and logged like relayed ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use l4::config::{Backend, Host, Listener, Target};
use l4::direct::{Direct, DirectEvent, DirectEventKind, Ended};
use l4::ending::Ending;
use l4::existing::Shares;

use crate::connection_info::{ConnectionInfo, DirectInfo};
use crate::counters::{BackendCounters, EndpointCounters, ListenerCounters, ListenerKey, WorkerCounters};
use crate::health::{Board, Cell};
use crate::log::{Format, LogBuffer, Output, Record};
use crate::resolve::Doubts;

/// Live direct connections, for reports.
#[derive(Debug, Default)]
pub(crate) struct Living(Mutex<BTreeMap<u64, Life>>);

#[derive(Debug)]
struct Life {
    connection: Direct,
    since: Instant,
    /// `true`: decided by weights that are no longer those of its route.
    outdated: bool,
}

impl Living {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Life>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a report about each.
    pub(crate) fn list(&self) -> Vec<ConnectionInfo> {
        self.lock().values().map(Life::info).collect()
    }
}

impl Life {
    fn info(&self) -> ConnectionInfo {
        let Self { connection, since, outdated: _ } = self;
        let Direct { id, listener, generation, draw, endpoint, client, process, command, .. } = connection;
        let names = Names::of(connection);
        ConnectionInfo {
            id: *id,
            proxy: listener.proxy.clone(),
            listener: Arc::clone(&listener.name),
            destination: Arc::clone(&listener.destination),
            client: *client,
            server_name: None,
            client_tls: None,
            backend_tls: None,
            origin: connection.route().and_then(|route| route.origin.clone()),
            first_backend: names.first.map(|backend| Arc::clone(&backend.reference)),
            backend: names.backend.map(|backend| Arc::clone(&backend.reference)),
            cluster: names.backend.map(|backend| backend.cluster_name().into()),
            endpoint: endpoint.map(|endpoint| endpoint.address),
            draw: Some(*draw),
            generation: *generation,
            connected: true,
            age: since.elapsed(),
            bytes_from_client: 0,
            bytes_to_client: 0,
            mirror: None,
            direct: Some(DirectInfo { process: *process, command: Arc::clone(command), counts: false }),
        }
    }
}

/// Backends of a decision, by name.
struct Names<'a> {
    /// Backend that was drawn, if the connection went to another one.
    first: Option<&'a Backend>,
    backend: Option<&'a Backend>,
}

impl<'a> Names<'a> {
    fn of(connection: &'a Direct) -> Self {
        let named = |index: Option<usize>| connection.route()?.backends.get(index?);
        let first = connection.first_backend.filter(|first| Some(*first) != connection.backend);
        Self { first: named(first), backend: named(connection.backend) }
    }
}

/// Counters and log of direct connections; for the thread that gets their events.
pub struct DirectRecorder {
    board: Arc<Board>,
    counters: Arc<WorkerCounters>,
    living: Arc<Living>,
    doubts: Doubts,
    log: LogBuffer,
    kept: BTreeMap<*const Listener, ListenerRecord>,
    /// Listeners in force.
    now: BTreeMap<ListenerKey, Arc<Listener>>,
}

/// State that belongs to a listener.
struct ListenerRecord {
    listener: Arc<Listener>,
    counters: Arc<ListenerCounters>,
    backends: Vec<(Arc<BackendCounters>, Option<Arc<Cell>>)>,
    outputs: Vec<Output>,
}

impl DirectRecorder {
    pub(crate) fn new(
        board: Arc<Board>,
        counters: Arc<WorkerCounters>,
        living: Arc<Living>,
        doubts: Doubts,
        log: LogBuffer,
    ) -> Self {
        Self { board, counters, living, doubts, log, kept: BTreeMap::new(), now: BTreeMap::new() }
    }

    /// Records an event of a connection.
    pub fn note(&mut self, seen: DirectEvent) {
        let DirectEvent { connection, news, ago } = seen;
        self.keep(&connection.listener);
        let Some(kept) = self.kept.get(&Arc::as_ptr(&connection.listener)) else { return };
        let endpoint = kept.endpoint(&connection);
        let endpoint = endpoint.as_deref();
        match news {
            DirectEventKind::Opened(time) => {
                kept.begin(&connection);
                kept.open(&connection, endpoint, time);
                kept.add_active(&connection, endpoint);
                let since = Instant::now().checked_sub(ago + time).unwrap_or_else(Instant::now);
                let outdated = is_outdated(&self.now, &connection);
                kept.mark_outdated(&connection, false, outdated);
                self.living.lock().insert(connection.id, Life { connection, since, outdated });
            }
            DirectEventKind::Ended(ended) => {
                if let Some(Life { outdated, .. }) = self.living.lock().remove(&connection.id) {
                    kept.subtract_active(&connection, endpoint);
                    kept.mark_outdated(&connection, outdated, false);
                } else {
                    // the event that it was opened may have been lost
                    kept.begin(&connection);
                    ended.connect_time.into_iter().for_each(|time| kept.open(&connection, endpoint, time));
                }
                kept.end(&connection, endpoint, &ended);
                if ended.ending == Ending::ConnectRefused || ended.ending == Ending::ConnectTimeout {
                    doubt(&self.doubts, &connection);
                }
                if self.log.wants(&kept.outputs) {
                    self.log.write(&record(&connection, &ended, ago), &kept.outputs);
                }
            }
        }
    }

    /// Takes `listeners` as those in force, and counts the live connections that other weights decided.
    pub fn follow(&mut self, listeners: impl Iterator<Item = Arc<Listener>>) {
        self.now = listeners.map(|it| ((it.proxy.clone(), Arc::clone(&it.name)), it)).collect();
        for life in self.living.lock().values_mut() {
            let Some(kept) = self.kept.get(&Arc::as_ptr(&life.connection.listener)) else { continue };
            let before = std::mem::replace(&mut life.outdated, is_outdated(&self.now, &life.connection));
            kept.mark_outdated(&life.connection, before, life.outdated);
        }
    }

    /// Hands lines to their sinks.
    pub fn flush(&mut self) {
        self.log.flush();
    }

    /// Forgets connections whose end was not seen: there are none any more.
    pub fn forget_living(&mut self) {
        let mut living = self.living.lock();
        for life in std::mem::take(&mut *living).into_values() {
            if let Some(kept) = self.kept.get(&Arc::as_ptr(&life.connection.listener)) {
                let endpoint = kept.endpoint(&life.connection);
                kept.subtract_active(&life.connection, endpoint.as_deref());
                kept.mark_outdated(&life.connection, life.outdated, false);
            }
        }
    }

    fn keep(&mut self, listener: &Arc<Listener>) {
        if self.kept.contains_key(&Arc::as_ptr(listener)) {
            return;
        }
        self.kept.retain(|_, kept| Arc::strong_count(&kept.listener) > 1);
        self.counters.forget_unused();
        let counters = self.counters.listener(listener);
        let route = listener.route_at(Direct::ROUTE);
        let backends = route.into_iter().flat_map(|route| {
            let cells = route.backends.iter().map(|backend| match &backend.target {
                Target::Cluster(cluster) => Some(self.board.cell(&listener.proxy, cluster)),
                Target::Unavailable(_) => None,
            });
            counters.backends_of(route).into_iter().zip(cells)
        });
        let outputs = listener.access_logs.iter();
        let outputs = outputs.map(|log| self.log.output(&log.sink, Format::from(&log.format))).collect();
        let kept = ListenerRecord {
            listener: Arc::clone(listener),
            backends: backends.collect(),
            counters: Arc::clone(&counters),
            outputs,
        };
        self.kept.insert(Arc::as_ptr(listener), kept);
    }
}

impl ListenerRecord {
    fn backend(&self, index: Option<usize>) -> Option<&(Arc<BackendCounters>, Option<Arc<Cell>>)> {
        self.backends.get(index?)
    }

    fn endpoint(&self, connection: &Direct) -> Option<Arc<EndpointCounters>> {
        let (backend, cell) = self.backend(connection.backend)?;
        let dialled = connection.endpoint?;
        let endpoint = cell.as_ref()?.cluster().endpoints.get(dialled.endpoint)?;
        Some(backend.endpoint(&endpoint.to_string()))
    }

    fn begin(&self, connection: &Direct) {
        self.counters.accepted.add(1);
        if let Some((backend, _)) = self.backend(connection.first_backend) {
            backend.chosen.add(1);
        }
    }

    fn open(&self, connection: &Direct, endpoint: Option<&EndpointCounters>, time: Duration) {
        self.counters.connect_times.observe_connect(time);
        if let Some((backend, cell)) = self.backend(connection.backend) {
            backend.opened.add(1);
            if let (Some(cell), Some(dialled)) = (cell, connection.endpoint) {
                cell.connected(dialled.endpoint);
            }
        }
        if let Some(endpoint) = endpoint {
            endpoint.opened.add(1);
            endpoint.connect_times.observe_connect(time);
        }
    }

    fn add_active(&self, connection: &Direct, endpoint: Option<&EndpointCounters>) {
        self.counters.active.add(1);
        self.backend(connection.backend).into_iter().for_each(|(backend, _)| backend.active.add(1));
        endpoint.into_iter().for_each(|endpoint| endpoint.active.add(1));
    }

    fn subtract_active(&self, connection: &Direct, endpoint: Option<&EndpointCounters>) {
        self.counters.active.subtract(1);
        self.backend(connection.backend).into_iter().for_each(|(backend, _)| backend.active.subtract(1));
        endpoint.into_iter().for_each(|endpoint| endpoint.active.subtract(1));
    }

    fn mark_outdated(&self, connection: &Direct, before: bool, now: bool) {
        let Some((backend, _)) = self.backend(connection.backend) else { return };
        match (before, now) {
            (false, true) => backend.outdated.add(1),
            (true, false) => backend.outdated.subtract(1),
            (true, true) | (false, false) => {}
        }
    }

    fn end(&self, connection: &Direct, endpoint: Option<&EndpointCounters>, ended: &Ended) {
        let Ended { ending, bytes, connect_time, duration, .. } = ended;
        self.counters.ended[*ending as usize].add(1);
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.counters.duration_milliseconds.add(millis);
        let Some((backend, cell)) = self.backend(connection.backend) else { return };
        backend.ended[*ending as usize].add(1);
        let Some(dialled) = connection.endpoint else { return };
        let cell = cell.as_ref();
        if connect_time.is_none() {
            endpoint.into_iter().for_each(|endpoint| endpoint.failed.add(1));
            // a client that gives up says nothing about the endpoint
            if *ending != Ending::ClientReset {
                cell.into_iter().for_each(|cell| cell.failed(dialled.endpoint));
            }
            return;
        }
        backend.durations.observe_life(*duration);
        let is_reset = matches!(ending, Ending::ClientReset | Ending::BackendReset);
        backend.resets.add(is_reset.into());
        backend.resets_early.add(ending.is_early_reset(bytes[1], *duration).into());
        for (side, moved) in bytes.iter().enumerate() {
            backend.bytes[side].add(*moved);
            endpoint.iter().for_each(|endpoint| endpoint.bytes[side].add(*moved));
        }
        endpoint.iter().for_each(|endpoint| endpoint.resets.add(is_reset.into()));
        let sent_something = bytes[1] > 0;
        match (ending, cell) {
            (Ending::BackendReset, Some(cell)) if !sent_something => cell.was_reset(dialled.endpoint),
            (Ending::ClientClosed | Ending::BackendClosed, Some(cell)) => cell.went_well(dialled.endpoint),
            (_, Some(cell)) if sent_something => cell.went_well(dialled.endpoint),
            (_, Some(_) | None) => {}
        }
    }
}

/// True if the weights that decided about a connection are no longer those of its route.
fn is_outdated(now: &BTreeMap<ListenerKey, Arc<Listener>>, connection: &Direct) -> bool {
    let born = &connection.listener;
    let now = now.get(&(born.proxy.clone(), Arc::clone(&born.name))).filter(|now| !Arc::ptr_eq(now, born));
    let shares = now.and_then(|now| now.route_at(Direct::ROUTE)).map(|route| Shares::of(route));
    let before = connection.route().map(|route| Shares::of(route));
    shares.zip(before).is_some_and(|(shares, before)| !before.equal(&shares))
}

/// Requests another resolution of the host name of an endpoint that could not be dialled.
fn doubt(doubts: &Doubts, connection: &Direct) {
    let cluster = || {
        let (_, cluster) = connection.route()?.backend_with_cluster(connection.backend?)?;
        cluster.endpoints.get(connection.endpoint?.endpoint)
    };
    if let Some(Host::Name(name)) = cluster().map(|endpoint| &endpoint.host) {
        doubts.about(name);
    }
}

fn record<'a>(connection: &'a Direct, ended: &'a Ended, ago: Duration) -> Record<'a> {
    let names = Names::of(connection);
    let now = Timestamp::now();
    let age = SignedDuration::try_from(ago + ended.duration).ok();
    Record {
        started: age.and_then(|age| now.checked_sub(age).ok()).unwrap_or(now),
        id: connection.id,
        listener: &connection.listener,
        generation: connection.generation,
        client: connection.client,
        original_destination: None,
        server_name: None,
        ciphers: None,
        mirror: None,
        route: connection.route().map(|route| &**route),
        first_backend: names.first,
        backend: names.backend,
        endpoint: connection.endpoint.map(|endpoint| endpoint.address),
        // a listener at its limit draws nothing
        draw: (ended.ending != Ending::Limit).then_some(connection.draw),
        attempts: connection.endpoint.is_some().into(),
        bytes: ended.bytes,
        connect_time: ended.connect_time,
        duration: ended.duration,
        ending: ended.ending,
        why: &ended.why,
        direct: Some((connection, ended)),
    }
}
