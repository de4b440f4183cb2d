//! The programs with their tables: what they decide by, and what is known of the connections that they decided about.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya::maps::MapError;
use l4::balance::{Draw, Roster};
use l4::config::{Cluster, Listener, ProxyName};
use l4::decide::{Addresses, Dial};
use l4::direct::{Direct, News, Seen};
use rustix::time::{ClockId, clock_gettime};

use crate::cgroup;
use crate::layout::{self, Destination};
use crate::path::{Path, Reason};
use crate::program::{Attaching, Programs, Records, Trouble, load};
use crate::record::{Kind, Record};
use crate::shelf::{Put, Shelf};
use crate::tables::{Interval, Table, Turns, Verdict};

/// Numbers of connections from here on: less this they are the cookies of their sockets.
const FIRST_ID: u64 = 1 << 40;

/// What is served now.
pub struct Serving<'a> {
    /// The number of the configuration.
    pub generation: u64,
    /// The listeners that are open.
    pub listeners: &'a [Arc<Listener>],
    /// Which endpoints of a proxy's cluster take connections.
    pub roster: &'a dyn Fn(&ProxyName, &Arc<Cluster>) -> Arc<Roster>,
    /// The addresses of endpoints that are host names.
    pub addresses: &'a Addresses,
}

/// How many connections of listeners in the tables were left to the relay after all, and records lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Records that nobody read in time.
    pub lost_records: u64,
    /// What could be dialled had no address.
    pub no_address: u64,
    /// Endpoints failed a moment ago.
    pub held: u64,
    /// The socket is bound to loopback, and the endpoint is elsewhere.
    pub bound_to_loopback: u64,
    /// The socket does not speak the endpoint's family.
    pub other_family: u64,
}

/// The programs, loaded and attached. Dropping it detaches them: connections go on, and new ones meet what they dial.
pub struct Kernel {
    programs: Programs,
    network: u32,
    endpoints: Shelf<std::net::SocketAddr>,
    numbers: Shelf<(ProxyName, Arc<str>)>,
    clusters: Shelf<Box<[u8]>>,
    listeners: Shelf<(ProxyName, Arc<str>)>,
    routes: Shelf<Edition>,
    editions: BTreeMap<u32, Edition>,
    /// What is written of listeners.
    written: BTreeMap<Destination, layout::Listener>,
    paths: Vec<(Arc<Listener>, Path)>,
}

/// A listener as one slot of the routes has it.
#[derive(Clone)]
struct Edition {
    /// What is written there.
    bytes: Arc<[u8]>,
    listener: Arc<Listener>,
    generation: u64,
    intervals: Arc<[Interval]>,
}

/// What distinguishes one edition from another: the table, and the listener whose names it has.
impl Edition {
    fn key(&self) -> (&[u8], *const Listener) {
        (&self.bytes, Arc::as_ptr(&self.listener))
    }
}

impl PartialEq for Edition {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Edition {}

impl PartialOrd for Edition {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Edition {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Kernel {
    /// Loads and attaches the programs. Nothing is decided by them before [`Kernel::serve`].
    ///
    /// # Errors
    /// At which step the kernel, or this process' rights, are not enough. Nothing is left of it.
    pub fn attach(attaching: &Attaching) -> Result<(Self, Records), Trouble> {
        let network = cgroup::network(FilePath::new("/proc/self/ns/net")).map_err(Trouble::Network)?;
        let (programs, records) = load(attaching, std::process::id())?;
        let kernel = Self {
            programs,
            network,
            endpoints: Shelf::of(layout::ENDPOINTS),
            numbers: Shelf::of(layout::CLUSTERS),
            clusters: Shelf::of(layout::CLUSTERS),
            listeners: Shelf::of(layout::LISTENERS),
            routes: Shelf::of(layout::ROUTES),
            editions: BTreeMap::new(),
            written: BTreeMap::new(),
            paths: Vec::new(),
        };
        Ok((kernel, records))
    }

    /// Decides nothing any more for addresses that are about to be closed: whoever dials them afterwards meets the relay for
    /// as long as it listens.
    pub fn retire(&mut self, stays: impl Fn(std::net::SocketAddr) -> bool) {
        let open = self.paths.iter().map(|(listener, _)| listener.address);
        let gone: Vec<Destination> = open
            .filter(|address| !stays(*address))
            .map(|address| layout::destination(address, self.network))
            .collect();
        gone.iter().for_each(|destination| self.remove(destination));
    }

    /// Decides nothing any more. What is known of connections that live stays.
    pub fn leave(&mut self) {
        self.retire(|_| false);
    }

    /// Decides by what is served now, from the next connection on.
    pub fn serve(&mut self, serving: &Serving<'_>) {
        self.endpoints.begin();
        self.numbers.begin();
        self.clusters.begin();
        self.listeners.begin();
        self.routes.begin();
        let mut paths = Vec::with_capacity(serving.listeners.len());
        let mut wanted = BTreeMap::new();
        for listener in serving.listeners {
            let entry = self.entry(listener, serving);
            let destination = layout::destination(listener.address, self.network);
            let path = match entry {
                Ok(entry) => {
                    wanted.insert(destination, entry);
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
                    layout::destination(listener.address, self.network) == destination
                };
                if let Some((_, path)) = paths.iter_mut().find(failed) {
                    *path = Path::Relay(Reason::NotWritten(in_words(&error)));
                }
                self.remove(&destination);
                continue;
            }
            self.written.insert(destination, entry);
        }
        self.paths = paths;
        let now = Instant::now();
        self.endpoints.end(now);
        self.numbers.end(now);
        self.clusters.end(now);
        self.listeners.end(now);
        self.routes.end(now);
    }

    /// The path of each listener that is served, with the reason where the relay carries its connections.
    pub fn paths(&self) -> &[(Arc<Listener>, Path)] {
        &self.paths
    }

    /// How many connections live, or are being established.
    pub fn live(&self) -> u64 {
        let live = |slot: &u32| self.programs.maps.live.get(slot, 0).unwrap_or(0);
        self.editions.keys().map(live).sum()
    }

    /// What was left to the relay, and lost.
    pub fn left(&self) -> Left {
        let count = |outcome: u32| self.programs.maps.outcomes.get(&outcome, 0).unwrap_or(0);
        Left {
            lost_records: count(0),
            no_address: count(1),
            held: count(2),
            bound_to_loopback: count(3),
            other_family: count(4),
        }
    }

    /// Reads what was told since the last time, then gives up places that nobody needs any more.
    pub fn read(&mut self, records: &mut Records, mut visit: impl FnMut(Seen)) {
        let now = monotonic();
        while let Some(record) = records.next() {
            if let Some(seen) = record.and_then(|record| self.seen(&record, now)) {
                visit(seen);
            }
        }
        let now = Instant::now();
        let live = &self.programs.maps.live;
        let is_dead = |slot| live.get(&slot, 0).is_ok_and(|live| live == 0);
        for slot in self.routes.reclaim(now, is_dead) {
            self.editions.remove(&slot);
        }
        self.endpoints.reclaim(now, |_| true);
        self.numbers.reclaim(now, |_| true);
        self.clusters.reclaim(now, |_| true);
        self.listeners.reclaim(now, |_| true);
    }

    fn seen(&self, record: &Record, now: u64) -> Option<Seen> {
        let edition = self.editions.get(&record.birth.slot)?;
        let interval = edition.intervals.get(record.birth.interval);
        let goes = record.kind != Kind::Refused;
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
            command: record.birth.command.clone(),
        };
        let news = match (record.kind, record.connect_time()) {
            (Kind::Opened, Some(time)) => News::Opened(time),
            (Kind::Opened | Kind::Ended | Kind::Refused, _) => News::Ended(record.ended(interval)),
        };
        let ago = Duration::from_nanos(now.saturating_sub(record.now));
        Some(Seen { connection, news, ago })
    }

    fn remove(&mut self, destination: &Destination) {
        if self.written.remove(destination).is_some()
            && let Err(error) = self.programs.maps.listeners.remove(destination)
            && !matches!(error, MapError::KeyNotFound)
        {
            // as long as it is there, it is decided by what rests no more
            self.written.insert(*destination, [0; 8]);
        }
    }

    /// Writes what a listener needs, and returns its entry.
    fn entry(&mut self, listener: &Arc<Listener>, serving: &Serving<'_>) -> Result<layout::Listener, Reason> {
        let roster = |cluster: &Arc<Cluster>| (serving.roster)(&listener.proxy, cluster);
        let Table { intervals } = Table::of(listener, roster, serving.addresses)?;
        let mut slots = BTreeMap::new();
        for interval in &intervals {
            if let Verdict::Go(turns) = &interval.verdict {
                slots.insert(Arc::as_ptr(&turns.cluster), self.write_turns(&listener.proxy, turns)?);
            }
        }
        let slot_of = |turns: &Turns| slots.get(&Arc::as_ptr(&turns.cluster)).copied().unwrap_or(0);
        let bytes = layout::route(&intervals, slot_of);
        let edition = Edition {
            bytes: bytes.into(),
            listener: Arc::clone(listener),
            generation: serving.generation,
            intervals: intervals.into(),
        };
        let slot = match self.routes.put(edition.clone()).ok_or(Reason::Full)? {
            Put::There(slot) => slot,
            Put::New(slot) => {
                self.programs.maps.routes.set(slot, bytes, 0).map_err(not_written)?;
                self.editions.insert(slot, edition);
                slot
            }
        };
        let name = (listener.proxy.clone(), Arc::clone(&listener.name));
        let number = match self.listeners.put(name).ok_or(Reason::Full)? {
            Put::There(number) => number,
            Put::New(number) => {
                self.programs.maps.draws.set(number, fastrand::u64(..), 0).map_err(not_written)?;
                number
            }
        };
        Ok(layout::listener(slot, number))
    }

    /// Writes the turns of a cluster, and returns their slot.
    fn write_turns(&mut self, proxy: &ProxyName, turns: &Turns) -> Result<u32, Reason> {
        let maps = &mut self.programs.maps;
        let mut numbers = Vec::new();
        for address in turns.places.iter().flat_map(|place| &place.addresses) {
            let put = self.endpoints.put(*address).ok_or(Reason::Full)?;
            if let Put::New(number) = put {
                maps.holds.set(number, 0, 0).map_err(not_written)?;
                maps.endpoints.set(number, layout::endpoint(*address), 0).map_err(not_written)?;
            }
            numbers.push(put.place());
        }
        let name = (proxy.clone(), Arc::clone(&turns.cluster.name));
        let put = self.numbers.put(name).ok_or(Reason::Full)?;
        if let Put::New(number) = put {
            // far from where turn numbers wrap
            maps.turns.set(number, fastrand::u64(..) >> 8, 0).map_err(not_written)?;
        }
        let bytes = layout::turns(turns, put.place(), &numbers);
        let slot = self.clusters.put(bytes.as_slice().into()).ok_or(Reason::Full)?;
        if let Put::New(slot) = slot {
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

/// The clock of the records, in nanoseconds.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
