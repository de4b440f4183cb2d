//! Values of the maps as bytes: the layout of `bpf/mesh.h`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use l4::config::{Cluster, Keepalive};

use crate::tables::{ADDRESSES, INTERVALS, Interval, IntervalVerdict, Order, PLACES, Table, Turns};

/// Capacities of the maps for listeners, routes, clusters and endpoints, over all configurations of the last second,
/// and for routes as long as a connection of theirs lives.
pub(crate) const LISTENERS: u32 = 4096;
pub(crate) const ROUTES: u32 = 4096;
pub(crate) const CLUSTERS: u32 = 1024;
pub(crate) const ENDPOINTS: u32 = 8192;

/// Time for which an endpoint is passed over after a failed connection: until user space has read of it, and has told
/// the other data paths.
const HOLD: Duration = Duration::from_secs(1);

pub(crate) type Destination = [u8; 24];
pub(crate) type Endpoint = [u8; 20];
pub(crate) type Listener = [u8; 16];
pub(crate) type Route = [u8; 24 + INTERVALS * 16];
/// How many connections a listener or a cluster has, and how many of them are being established.
pub(crate) type Gauge = [u8; 16];
pub(crate) type ClusterTurns = [u8; TURNS + PLACES * 16 + ADDRESSES * 4];
pub(crate) type Settings = [u8; 8];

/// Size of what precedes the places of a cluster.
const TURNS: usize = 80;

/// Writes values one after the other.
struct Writer<const SIZE: usize> {
    bytes: [u8; SIZE],
    at: usize,
}

impl<const SIZE: usize> Writer<SIZE> {
    fn new() -> Self {
        Self { bytes: [0; SIZE], at: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        // a value that does not fit would be an error in the constants above, which the test of this file detects
        if let Some(place) = self.bytes.get_mut(self.at..self.at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.at += bytes.len();
    }

    fn long(&mut self, number: u64) {
        self.put(&number.to_ne_bytes());
    }

    fn word(&mut self, number: u32) {
        self.put(&number.to_ne_bytes());
    }

    fn short(&mut self, number: usize) {
        self.put(&u16::try_from(number).unwrap_or(u16::MAX).to_ne_bytes());
    }

    fn socket(&mut self, address: SocketAddr) {
        self.put(&ip(address.ip()));
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

/// Reads values one after the other.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn take<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        let (taken, rest) = self.0.split_first_chunk::<SIZE>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(crate) fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    pub(crate) fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    pub(crate) fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    pub(crate) fn ip(&mut self) -> Option<IpAddr> {
        self.take::<16>().map(|octets| Ipv6Addr::from(octets).to_canonical())
    }
}

fn ip(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

pub(crate) fn destination(address: SocketAddr, netns: u32) -> Destination {
    let mut writer = Writer::new();
    writer.socket(address);
    writer.word(netns);
    writer.put(&address.port().to_be_bytes());
    writer.bytes
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    let mut writer = Writer::new();
    writer.socket(address);
    writer.put(&address.port().to_be_bytes());
    writer.bytes
}

pub(crate) fn read_endpoint(endpoint: &Endpoint) -> Option<SocketAddr> {
    let mut reader = Reader(endpoint);
    Some(SocketAddr::new(reader.ip()?, u16::from_be_bytes(reader.take()?)))
}

pub(crate) fn listener(slot: u32, number: u32, name: u64) -> Listener {
    let mut writer = Writer::new();
    writer.word(slot);
    writer.word(number);
    writer.long(name);
    writer.bytes
}

/// Route slot, number and name digest of a listener.
pub(crate) fn read_listener(listener: &Listener) -> Option<(u32, u32, u64)> {
    let mut reader = Reader(listener);
    Some((reader.word()?, reader.word()?, reader.long()?))
}

/// The route of a listener that may have so many connections, where `slot` tells the slot of a cluster's turns.
pub(crate) fn route(
    Table { intervals, by_client }: &Table,
    limit: Option<NonZeroU32>,
    meaning: u64,
    mut slot: impl FnMut(&Turns) -> u32,
) -> Route {
    let mut writer = Writer::new();
    writer.word(u32::try_from(intervals.len()).unwrap_or(0));
    writer.word(limit.map_or(0, NonZeroU32::get));
    writer.word((*by_client).into());
    writer.skip(4);
    writer.long(meaning);
    for Interval { end, first_backend: _, backend: _, verdict } in intervals {
        writer.long(*end);
        let (cluster, verdict) = match verdict {
            IntervalVerdict::Relay => (0, 0),
            IntervalVerdict::Go(turns) => (slot(turns), 1),
            IntervalVerdict::Refuse(..) => (0, 2),
        };
        writer.word(cluster);
        writer.put(&[verdict]);
        writer.skip(3);
    }
    writer.bytes
}

/// Slots of the clusters that a route leads to.
pub(crate) fn read_route(route: &Route) -> Option<Vec<u32>> {
    let mut reader = Reader(route);
    let length = reader.word()? as usize;
    reader.take::<20>()?;
    let mut slots = Vec::new();
    for _ in 0..length.min(INTERVALS) {
        reader.long()?;
        let (slot, [verdict, ..]) = (reader.word()?, reader.take::<4>()?);
        slots.extend((verdict == 1).then_some(slot));
    }
    Some(slots)
}

/// The turns of a cluster, where `numbers` are those of all its addresses, place by place.
pub(crate) fn turns(turns: &Turns, number: u32, name: u64, numbers: &[u32]) -> ClusterTurns {
    let Turns { cluster, order, places } = turns;
    let Cluster { connect_timeout, user_timeout, keepalive, max_connections, max_pending, .. } = &**cluster;
    let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX >> 1);
    let seconds = |time: Option<Duration>| time.map_or(0, |time| time.as_secs().clamp(1, 32767) as u32);
    let mut writer = Writer::new();
    writer.word(number);
    writer.word(u32::try_from(places.len()).unwrap_or(0));
    writer.word(match order {
        Order::Round { .. } | Order::First => 0,
        Order::Chance => 1,
        Order::Load { .. } => 2,
    });
    writer.word(millis(*connect_timeout).max(1));
    writer.word(user_timeout.map_or(0, millis));
    let Keepalive { idle, interval, probes } = keepalive.unwrap_or_default();
    writer.word(keepalive.is_some().into());
    writer.word(seconds(idle));
    writer.word(seconds(interval));
    writer.word(probes.map_or(0, |probes| probes.get().min(127)));
    writer.word(max_connections.map_or(0, NonZeroU32::get));
    writer.word(max_pending.map_or(0, NonZeroU32::get));
    writer.word(match order {
        Order::Load { choices } => u32::try_from(*choices).unwrap_or(u32::MAX),
        Order::Round { .. } | Order::First | Order::Chance => 0,
    });
    writer.long(u64::try_from(HOLD.as_nanos()).unwrap_or(u64::MAX));
    let (total, stride) = match order {
        Order::Round { total, stride } => (*total, *stride),
        Order::Chance | Order::Load { .. } | Order::First => (0, 0),
    };
    writer.long(total);
    writer.long(stride);
    writer.long(name);
    let mut at = 0;
    for place in places {
        writer.long(place.end);
        writer.short(at);
        writer.short(place.addresses.len());
        writer.short(place.endpoint);
        writer.skip(2);
        at += place.addresses.len();
    }
    writer.at = TURNS + PLACES * 16;
    numbers.iter().for_each(|number| writer.word(*number));
    writer.bytes
}

/// Number and name digest of a cluster, and the numbers of its addresses.
pub(crate) fn read_turns(turns: &ClusterTurns) -> Option<(u32, u64, Vec<u32>)> {
    let mut reader = Reader(turns);
    let (number, length) = (reader.word()?, reader.word()? as usize);
    reader.take::<{ TURNS - 16 }>()?;
    let name = reader.long()?;
    let mut addresses = 0;
    for place in 0..PLACES {
        reader.long()?;
        let (_, of) = (reader.short()?, reader.short()?);
        reader.word()?;
        addresses += if place < length { usize::from(of) } else { 0 };
    }
    let numbers = (0..addresses.min(ADDRESSES)).map_while(|_| reader.word());
    Some((number, name, numbers.collect()))
}

/// How many connections a listener or a cluster has, and how many of them are being established.
pub(crate) fn gauge([active, pending]: [u64; 2]) -> Gauge {
    let mut writer = Writer::new();
    writer.long(active);
    writer.long(pending);
    writer.bytes
}

/// Numbers of connections and of pending ones, as counted by the programs.
pub(crate) fn read_gauge(gauge: &Gauge) -> [u64; 2] {
    let number = |at: usize| gauge.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    [0, 8].map(|at| number(at).map_or(0, u64::from_ne_bytes))
}

/// Settings: the process whose connects are never touched, and whether a socket's peer is the dialled address.
pub(crate) fn settings(process: u32, names_peers: bool) -> Settings {
    let mut writer = Writer::new();
    writer.word(process);
    writer.word(names_peers.into());
    writer.bytes
}
