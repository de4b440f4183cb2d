//! Programs with their tables: the inputs of their decisions, and the state of connections that they decided.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya::maps::MapError;
use l4::balance::Draw;
use l4::config::{Cluster, Listener, ProxyName};
use l4::decide::Dial;
use l4::direct::{Direct, DirectEvent, DirectEventKind};
use l4::ending::Ending;
use rustix::time::{ClockId, clock_gettime};

use crate::cgroup;
use crate::diag::{Diag, Moved};
use crate::edition::{self, Edition};
use crate::inherited::Inherited;
use crate::layout::{self, Destination, Gauge};
use crate::left::Left;
use crate::limits::{Limited, Limits};
use crate::lives::{ChangedListener, Due, Lives};
use crate::path::{Capabilities, Path, Reason};
use crate::pins::{Pins, Replaced};
use crate::program::{Attaching, Programs, Records, Trouble, load};
use crate::record::{Kind, Record};
use crate::serving::Serving;
use crate::slot_table::{Slot, SlotTable};
use crate::tables::{IntervalVerdict, Table, Turns};

/// Path of the network namespace of this process.
const OWN_NETWORK: &str = "/proc/self/ns/net";
/// Lowest id of a connection; an id less this is the cookie of the socket.
const FIRST_ID: u64 = 1 << 40;

/// The programs, loaded and attached. Dropping it detaches them: connections go on, and new ones meet what they dial.
pub struct Kernel {
    programs: Programs,
    /// Network namespaces of its connections: first this process' own.
    networks: Vec<Network>,
    endpoints: SlotTable<std::net::SocketAddr>,
    numbers: SlotTable<(ProxyName, Arc<str>)>,
    clusters: SlotTable<Box<[u8]>>,
    listeners: SlotTable<(ProxyName, Arc<str>)>,
    routes: SlotTable<Edition>,
    editions: BTreeMap<u32, Edition>,
    /// Entries of listeners in the kernel's table.
    written: BTreeMap<Destination, layout::Listener>,
    /// Contents of adopted tables; `None`: none, or the first configuration has claimed them.
    inherited: Option<Inherited>,
    /// `true`: live connections of an earlier process are still to be found.
    looks_for_living: bool,
    paths: Vec<(Arc<Listener>, Path)>,
    limits: Limits,
    lives: Lives,
}

/// Network namespace.
struct Network {
    number: u32,
    /// Socket that ends connections there; `None`: they cannot be ended.
    diag: Option<Diag>,
}

impl Kernel {
    /// Loads and attaches the programs, or adopts those of a killed process. Before [`Kernel::serve`] they decide nothing,
    /// or by the tables of that process.
    ///
    /// # Errors
    /// Returns the step at which the kernel, or this process' capabilities, do not suffice. Nothing stays attached.
    pub fn attach(attaching: &Attaching) -> Result<(Self, Records), Trouble> {
        let own = PathBuf::from(OWN_NETWORK);
        let mut networks = Vec::new();
        for path in std::iter::once(&own).chain(&attaching.networks) {
            let wrong = |error| Trouble::Network(path.clone(), error);
            networks.push(Network {
                number: cgroup::network(path).map_err(wrong)?,
                diag: Diag::open_in(path).ok().filter(Diag::ends),
            });
        }
        let (programs, records) = load(attaching)?;
        let inherited = programs.adopted.then(|| Inherited::read(&programs.maps)).transpose();
        let inherited = inherited.map_err(|error| Trouble::Table("listeners", error.to_string()))?;
        let used = inherited.as_ref().map(|inherited| inherited.used).unwrap_or_default();
        let kernel = Self {
            programs,
            networks,
            endpoints: SlotTable::of(layout::ENDPOINTS, used.endpoints),
            numbers: SlotTable::of(layout::CLUSTERS, used.numbers),
            clusters: SlotTable::of(layout::CLUSTERS, used.clusters),
            listeners: SlotTable::of(layout::LISTENERS, used.listeners),
            routes: SlotTable::of(layout::ROUTES, used.routes),
            editions: BTreeMap::new(),
            written: inherited.iter().flat_map(|inherited| inherited.written.clone()).collect(),
            looks_for_living: inherited.is_some(),
            inherited,
            paths: Vec::new(),
            limits: Limits::default(),
            lives: Lives::new(Instant::now()),
        };
        Ok((kernel, records))
    }

    /// Capabilities besides decisions.
    pub fn means(&self) -> Capabilities {
        Capabilities { ends: self.networks.iter().all(|network| network.diag.is_some()) }
    }

    /// Stops decisions for addresses that are about to be closed: later connects reach the relay as long as it listens.
    pub fn retire(&mut self, stays: impl Fn(std::net::SocketAddr) -> bool) {
        let open = self.paths.iter().map(|(listener, _)| listener.address);
        let gone: Vec<Destination> =
            open.filter(|address| !stays(*address)).flat_map(|address| self.destinations(address)).collect();
        gone.iter().for_each(|destination| self.remove(destination));
    }

    /// Stops all decisions. The state of live connections stays.
    pub fn leave(&mut self) {
        self.retire(|_| false);
        // pins are removed on a voluntary exit; a pin that cannot be removed decides nothing
        let _ = self.programs.pins.as_ref().map(Pins::remove);
    }

    /// Detaches programs of earlier processes that were not adopted: from now on these decide.
    ///
    /// # Errors
    /// The files that keep them attached cannot be removed.
    pub fn replace_predecessors(&self) -> std::io::Result<Replaced> {
        self.programs.pins.as_ref().map_or(Ok(Replaced::default()), Pins::replace_others)
    }

    /// True if programs and tables were adopted from an earlier process that was killed.
    pub fn is_adopted(&self) -> bool {
        self.programs.adopted
    }

    /// Applies a configuration from the next connection on.
    pub fn serve(&mut self, serving: &Serving<'_>) {
        self.endpoints.begin();
        self.numbers.begin();
        self.clusters.begin();
        self.listeners.begin();
        self.routes.begin();
        self.limits.clear();
        let mut paths = Vec::with_capacity(serving.listeners.len());
        let mut wanted = BTreeMap::new();
        for listener in serving.listeners {
            let entry = self.entry(listener, serving);
            let path = match entry {
                Ok(entry) => {
                    let everywhere = self.destinations(listener.address);
                    wanted.extend(everywhere.into_iter().map(|destination| (destination, entry)));
                    Path::Kernel
                }
                Err(reason) => Path::Relay(reason),
            };
            paths.push((Arc::clone(listener), path));
        }
        let gone: Vec<Destination> =
            self.written.keys().filter(|destination| !wanted.contains_key(*destination)).copied().collect();
        gone.iter().for_each(|destination| self.remove(destination));
        for (destination, entry) in wanted {
            if self.written.get(&destination) == Some(&entry) {
                continue;
            }
            if let Err(error) = self.programs.maps.listeners.insert(destination, entry, 0) {
                let failed = |(listener, _): &&mut (Arc<Listener>, Path)| {
                    self.destinations(listener.address).contains(&destination)
                };
                if let Some((_, path)) = paths.iter_mut().find(failed) {
                    *path = Path::Relay(Reason::NotWritten(in_words(&error)));
                }
                self.remove(&destination);
                continue;
            }
            self.written.insert(destination, entry);
        }
        let now = Instant::now();
        let before = std::mem::replace(&mut self.paths, paths);
        self.follow(&before, serving, now);
        self.endpoints.end(now);
        self.numbers.end(now);
        self.clusters.end(now);
        self.listeners.end(now);
        self.routes.end(now);
        self.inherited = None;
    }

    /// Path of each served listener, with the reason if the relay carries its connections.
    pub fn paths(&self) -> &[(Arc<Listener>, Path)] {
        &self.paths
    }

    /// Number of connections that are live or being established.
    pub fn live(&self) -> u64 {
        let live = |slot: &u32| self.programs.maps.live.get(slot, 0).unwrap_or(0);
        self.editions.keys().map(live).sum()
    }

    /// Numbers of connections left to the relay, and of lost records.
    pub fn left(&self) -> Left {
        Left::of(&self.programs.maps)
    }

    /// Reads records written since the last call, then frees slots that are no longer needed.
    pub fn read(&mut self, records: &mut Records, mut visit: impl FnMut(DirectEvent)) {
        if self.inherited.is_some() {
            // what is told there is of listeners that are not known yet
            return;
        }
        let (now, instant) = (monotonic(), Instant::now());
        // read before the records: connections that end meanwhile are in records of the next call
        let live = &self.programs.maps.live;
        let is_dead = |slot: &u32| live.get(slot, 0).is_ok_and(|live| live == 0);
        let dead: BTreeSet<u32> = self.routes.resting().filter(is_dead).collect();
        let mut take_in = |kernel: &mut Self, record: &Record| {
            if record.kind == Kind::Opened && kernel.lives.has(record.birth.cookie) {
                return;
            }
            let Some(seen) = kernel.seen(record, now) else { return };
            let ago = seen.ago + record.connect_time().unwrap_or_default();
            let since = instant.checked_sub(ago).unwrap_or(instant);
            kernel.lives.note(record.birth.cookie, &seen.connection, &seen.news, since);
            visit(seen);
        };
        while let Some(record) = records.next() {
            record.into_iter().for_each(|record| take_in(self, &record));
        }
        // behind what was told meanwhile: who ended is not found any more
        for record in std::mem::take(&mut self.looks_for_living).then(|| self.living()).into_iter().flatten()
        {
            take_in(self, &record);
        }
        self.end_what_is_due();
        let now = Instant::now();
        for slot in self.routes.reclaim(now, |slot| dead.contains(&slot)) {
            self.editions.remove(&slot);
        }
        let (loads, gauges) = (&self.programs.maps.loads, &self.programs.maps.gauges);
        let is_idle = |number| gauges.get(&number, 0).is_ok_and(|gauge| gauge == Gauge::default());
        self.endpoints.reclaim(now, |number| loads.get(&number, 0).is_ok_and(|load| load == 0));
        self.numbers.reclaim(now, |number| is_idle(layout::LISTENERS + number));
        self.clusters.reclaim(now, |_| true);
        self.listeners.reclaim(now, is_idle);
    }

    /// Passes the numbers of connections, and of pending ones, of each limit on this path to `exchange`, which returns
    /// those of the relay.
    pub fn share_limits(&mut self, exchange: impl FnMut(Limited<'_>, [u64; 2]) -> [u64; 2]) {
        let maps = &mut self.programs.maps;
        self.limits.share(&maps.gauges, &mut maps.relayed, exchange);
    }

    /// Bytes that each live connection has sent and received so far, by its id in the connection log; connections that
    /// the kernel does not report are missing.
    pub fn bytes(&self) -> BTreeMap<u64, [u64; 2]> {
        let diags = self.networks.iter().filter_map(|network| network.diag.as_ref());
        let moved = diags.flat_map(|diag| diag.moved().unwrap_or_default());
        let ours = moved.filter(|(cookie, _)| self.lives.has(*cookie));
        ours.map(|(cookie, Moved { bytes, .. })| (FIRST_ID.saturating_add(cookie), bytes)).collect()
    }

    /// Forgets connections whose end was never reported: they no longer exist.
    pub fn forget_living(&mut self) {
        self.lives.forget();
    }

    /// Live connections as records of their opening, from what programs keep of their sockets.
    fn living(&self) -> Vec<Record> {
        let table = self.programs.maps.births.fd().as_fd();
        let diags = self.networks.iter().filter_map(|network| network.diag.as_ref());
        let kept = diags.flat_map(|diag| diag.kept(table).unwrap_or_default());
        kept.filter_map(|(client, kept)| Record::of_living(&kept, client)).collect()
    }

    /// Has the connections that live follow what has changed.
    fn follow(&mut self, before: &[(Arc<Listener>, Path)], serving: &Serving<'_>, now: Instant) {
        let key = |listener: &Listener| (listener.proxy.clone(), Arc::clone(&listener.name));
        let before: BTreeMap<_, &Arc<Listener>> =
            before.iter().map(|(listener, _)| (key(listener), listener)).collect();
        let changes = serving.listeners.iter().filter_map(|now| {
            let before = before.get(&key(now)).filter(|before| !Arc::ptr_eq(before, now))?;
            Some(ChangedListener { before: Arc::clone(before), now: Arc::clone(now) })
        });
        let changes: Vec<ChangedListener> = changes.collect();
        if !changes.is_empty() {
            let due = self.lives.follow(&changes, serving, now);
            self.end(&due);
        }
    }

    fn end_what_is_due(&mut self) {
        let diags = || self.networks.iter().filter_map(|network| network.diag.as_ref());
        // a connection whose activity is unknown does not count as idle
        let moved = || diags().flat_map(|diag| diag.moved().unwrap_or_default()).collect();
        let due = self.lives.due(Instant::now(), moved);
        self.end(&due);
    }

    fn end(&mut self, due: &[Due]) {
        let diags = self.networks.iter().filter_map(|network| network.diag.as_ref());
        for due in due {
            // a cookie is of one network only; an ended connection needs no end, and one that could not be ended is due
            // again
            if diags.clone().any(|diag| diag.destroy(&due.socket).is_ok()) {
                self.lives.end(due);
            }
        }
    }

    /// Destinations in all networks that lead to an address.
    fn destinations(&self, address: std::net::SocketAddr) -> Vec<Destination> {
        self.networks.iter().map(|network| layout::destination(address, network.number)).collect()
    }

    fn seen(&self, record: &Record, now: u64) -> Option<DirectEvent> {
        let edition = self.editions.get(&record.birth.slot)?;
        let interval = edition.intervals.get(record.birth.interval);
        let goes = record.kind != Kind::Refused;
        // a full listener chooses no backend
        let interval = interval.filter(|_| record.full() != Some(Ending::Limit));
        let connection = Direct {
            id: FIRST_ID.saturating_add(record.birth.cookie),
            listener: Arc::clone(&edition.listener),
            generation: edition.generation,
            draw: Draw(record.birth.draw),
            first_backend: interval.and_then(|interval| interval.first_backend),
            backend: interval.and_then(|interval| interval.backend),
            endpoint: goes.then_some(Dial { endpoint: record.birth.endpoint, address: record.birth.at }),
            client: record.client,
            process: record.birth.process,
            command: Arc::clone(&record.birth.command),
        };
        let news = match (record.kind, record.connect_time()) {
            (Kind::Opened, Some(time)) => DirectEventKind::Opened(time),
            (Kind::Opened | Kind::Ended | Kind::Refused, _) => {
                DirectEventKind::Ended(record.ended(interval, self.lives.why(record.birth.cookie)))
            }
        };
        let ago = Duration::from_nanos(now.saturating_sub(record.now));
        Some(DirectEvent { connection, news, ago })
    }

    fn remove(&mut self, destination: &Destination) {
        if self.written.remove(destination).is_some()
            && let Err(error) = self.programs.maps.listeners.remove(destination)
            && !matches!(error, MapError::KeyNotFound)
        {
            // as long as it is there, it is decided by what rests no more
            self.written.insert(*destination, [0; 16]);
        }
    }

    /// Writes the tables of a listener, and returns its entry.
    fn entry(&mut self, listener: &Arc<Listener>, serving: &Serving<'_>) -> Result<layout::Listener, Reason> {
        let roster = |cluster: &Arc<Cluster>| (serving.roster)(&listener.proxy, cluster);
        let table = Table::of(listener, roster, serving.addresses, self.means())?;
        let mut slots = BTreeMap::new();
        for interval in &table.intervals {
            if let IntervalVerdict::Go(turns) = &interval.verdict {
                slots.insert(Arc::as_ptr(&turns.cluster), self.write_turns(&listener.proxy, turns)?);
            }
        }
        let slot_of = |turns: &Turns| slots.get(&Arc::as_ptr(&turns.cluster)).copied().unwrap_or(0);
        let meaning = edition::meaning(listener, &table.intervals);
        let bytes = layout::route(&table, listener.max_connections, meaning, slot_of);
        let edition = Edition {
            bytes: bytes.into(),
            listener: Arc::clone(listener),
            generation: serving.generation,
            intervals: table.intervals.into(),
        };
        let inherited = self.inherited.as_ref();
        let before = inherited.and_then(|inherited| inherited.routes.get(bytes.as_slice()));
        let slot = self.routes.put(edition.clone(), before).ok_or(Reason::Full)?;
        if let Slot::New(slot) = slot {
            self.programs.maps.routes.set(slot, bytes, 0).map_err(not_written)?;
        }
        // one that was inherited has none yet
        self.editions.entry(slot.place()).or_insert(edition);
        let name = edition::name(&listener.proxy, &listener.name);
        let before = inherited.and_then(|inherited| inherited.listeners.get(&name));
        let number = self.listeners.put((listener.proxy.clone(), Arc::clone(&listener.name)), before);
        let number = number.ok_or(Reason::Full)?;
        if let Slot::New(number) = number {
            self.programs.maps.draws.set(number, fastrand::u64(..), 0).map_err(not_written)?;
        }
        self.limits.listener(number.place(), listener);
        Ok(layout::listener(slot.place(), number.place(), name))
    }

    /// Writes the turns of a cluster, and returns their slot.
    fn write_turns(&mut self, proxy: &ProxyName, turns: &Turns) -> Result<u32, Reason> {
        let (maps, inherited) = (&mut self.programs.maps, self.inherited.as_ref());
        let mut numbers = Vec::new();
        for address in turns.places.iter().flat_map(|place| &place.addresses) {
            let before = inherited.and_then(|inherited| inherited.endpoints.get(address));
            let put = self.endpoints.put(*address, before).ok_or(Reason::Full)?;
            if let Slot::New(number) = put {
                maps.holds.set(number, 0, 0).map_err(not_written)?;
                maps.loads.set(number, 0, 0).map_err(not_written)?;
                maps.endpoints.set(number, layout::endpoint(*address), 0).map_err(not_written)?;
            }
            numbers.push(put.place());
        }
        let name = edition::name(proxy, &turns.cluster.name);
        let before = inherited.and_then(|inherited| inherited.numbers.get(&name));
        let put = self.numbers.put((proxy.clone(), Arc::clone(&turns.cluster.name)), before);
        let put = put.ok_or(Reason::Full)?;
        if let Slot::New(number) = put {
            // far from where turn numbers wrap
            maps.turns.set(number, fastrand::u64(..) >> 8, 0).map_err(not_written)?;
        }
        self.limits.cluster(put.place(), proxy, &turns.cluster);
        let bytes = layout::turns(turns, put.place(), name, &numbers);
        let before = inherited.and_then(|inherited| inherited.clusters.get(bytes.as_slice()));
        let slot = self.clusters.put(bytes.as_slice().into(), before).ok_or(Reason::Full)?;
        if let Slot::New(slot) = slot {
            maps.clusters.set(slot, bytes, 0).map_err(not_written)?;
        }
        Ok(slot.place())
    }
}

fn not_written(error: MapError) -> Reason {
    Reason::NotWritten(in_words(&error))
}

fn in_words(error: &MapError) -> Arc<str> {
    format!("it cannot be written into the kernel's tables: {error}").into()
}

/// Clock of the records, in nanoseconds.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
