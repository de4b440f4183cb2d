//! Simulation of connections under two configurations, the one in force and the proposed one. No socket, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use change::compile::Compiled;
use l4::balance::{Balance, Draw};
use l4::config::{Direction, Host, Listener};
use l4::decide::{Addresses, AllWell, Circumstances, Facts, Resolved};
use l4::{Config, Decision, ProxyName, decide};
use serde::Serialize;

use crate::output;

/// Connection that arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    /// Proxy, as `mesh/name`.
    pub(super) proxy: &'a str,
    /// Listener of the proxy.
    pub(super) listener: &'a str,
    /// Client address; `None`: unknown.
    pub(super) client: Option<SocketAddr>,
    /// TLS server name that it asks for.
    pub(super) server_name: Option<&'a str>,
    /// Draw of the connection; `None`: it was ended before a decision, and does not count.
    pub(super) draw: Option<u64>,
}

/// Two configurations side by side, and the results of the connections.
pub(super) struct Simulation {
    before: Side,
    after: Side,
    seen: BTreeMap<(String, String), BTreeMap<(String, String), u64>>,
    undrawn: u64,
    elsewhere: u64,
}

struct Side {
    listeners: BTreeMap<(String, String), Arc<Listener>>,
    addresses: Addresses,
}

/// Destinations of connections now and under the proposed configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    /// Number of connections that were decided twice.
    connections: u64,
    /// Number of them that would go elsewhere.
    moved: u64,
    /// Number of connections of a log without a draw: nothing was decided about them.
    without_draw: u64,
    /// Number of connections of a log to a listener that neither configuration has.
    without_listener: u64,
    /// Moves from one backend to another, by proxy and listener.
    ways: Vec<Flow>,
}

/// Number of connections that move from one backend to another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Flow {
    proxy: String,
    listener: String,
    destination: String,
    before: String,
    after: String,
    connections: u64,
}

impl Side {
    fn of(compiled: &Compiled) -> Result<Self, String> {
        let mut listeners = BTreeMap::new();
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        for (key, found) in &compiled.proxies {
            let name = ProxyName::new(key.to_string());
            let config = Config::parse(&[(name, &*found.told.l4().resources)])
                .map_err(|problems| problems.to_string())?;
            for listener in config.listeners() {
                let clusters = listener.routes.iter().flat_map(|(_, route)| {
                    (0..route.backends.len()).filter_map(|at| Some(route.backend_with_cluster(at)?.1))
                });
                for endpoint in clusters.flat_map(|cluster| &cluster.endpoints) {
                    if let Host::Name(name) = &endpoint.host {
                        names.insert(Arc::clone(name));
                    }
                }
                listeners.insert((key.to_string(), listener.name.to_string()), Arc::clone(listener));
            }
        }
        // host names are assumed to resolve: their addresses do not matter here
        let some = |name| (name, Resolved::Known(vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)]));
        Ok(Self { listeners, addresses: names.into_iter().map(some).collect() })
    }

    /// Backend that a connection goes to, in words; `None`: there is no such listener.
    fn backend(&self, at: &(String, String), facts: &Facts<'_>, draw: Draw) -> Option<String> {
        let listener = self.listeners.get(at)?;
        let standings = AllWell { listener, turn: draw.0 };
        let circumstances = Circumstances { draw, standings: &standings, addresses: &self.addresses };
        let named = |route, backend: usize| {
            let route = listener.route_at(route)?;
            Some(change::compile::without_kind(&route.backends.get(backend)?.reference))
        };
        Some(match decide(facts, listener, &circumstances) {
            Decision::Forward(forward) => named(forward.route, forward.backend).unwrap_or_default(),
            Decision::Refuse(refuse) => {
                let backend =
                    refuse.route.zip(refuse.backend).and_then(|(route, backend)| named(route, backend));
                match backend {
                    Some(backend) => format!("refused ({backend})"),
                    None => "refused".to_owned(),
                }
            }
        })
    }
}

impl Simulation {
    pub(super) fn between(before: &Compiled, after: &Compiled) -> Result<Self, String> {
        Ok(Self {
            before: Side::of(before)?,
            after: Side::of(after)?,
            seen: BTreeMap::new(),
            undrawn: 0,
            elsewhere: 0,
        })
    }

    pub(super) fn arrive(&mut self, arrival: &Arrival<'_>) {
        let Arrival { proxy, listener, client, server_name, draw } = *arrival;
        let Some(draw) = draw.map(Draw) else {
            self.undrawn += 1;
            return;
        };
        let at = (proxy.to_owned(), listener.to_owned());
        let client = client.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let facts = Facts { client, server_name, destination: None };
        let before = self.before.backend(&at, &facts, draw);
        let after = self.after.backend(&at, &facts, draw);
        if before.is_none() && after.is_none() {
            self.elsewhere += 1;
            return;
        }
        let no_listener = || "no listener".to_owned();
        let way = (before.unwrap_or_else(no_listener), after.unwrap_or_else(no_listener));
        *self.seen.entry(at).or_default().entry(way).or_default() += 1;
    }

    /// Generates connections for every outbound and gateway listener, the same for the same seed.
    pub(super) fn invent(&mut self, connections: u32, seed: u64, is_wanted: impl Fn(&str) -> bool) {
        let all = self.before.listeners.iter().chain(&self.after.listeners);
        let outbounds =
            all.filter(|((proxy, _), listener)| listener.direction != Direction::Inbound && is_wanted(proxy));
        let wanted: BTreeSet<(String, String)> = outbounds.map(|(at, _)| at.clone()).collect();
        for ((proxy, listener), place) in wanted.into_iter().zip(0u64..) {
            let mut balance = Balance::seeded(seed ^ place.wrapping_mul(0xd6e8_feb8_6659_fd93));
            for number in 0..connections {
                // one client per connection, so that stickiness by client spreads as usual
                let client = SocketAddr::from((Ipv4Addr::from(0x0a00_0000 | (number & 0x00ff_ffff)), 40_000));
                let draw = Some(balance.draw().0);
                self.arrive(&Arrival {
                    proxy: &proxy,
                    listener: &listener,
                    client: Some(client),
                    server_name: None,
                    draw,
                });
            }
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let Self { before, after, seen, undrawn, elsewhere } = self;
        let mut ways = Vec::new();
        for (at, counts) in seen {
            let listener = after.listeners.get(&at).or_else(|| before.listeners.get(&at));
            let destination = listener.map(|listener| listener.destination.to_string()).unwrap_or_default();
            for ((before, after), connections) in counts {
                let (proxy, listener) = at.clone();
                let destination = destination.clone();
                ways.push(Flow { proxy, listener, destination, before, after, connections });
            }
        }
        let sum = |wanted: fn(&Flow) -> bool| {
            ways.iter().filter(|way| wanted(way)).map(|way| way.connections).sum()
        };
        Outcome {
            connections: sum(|_| true),
            moved: sum(|way| way.before != way.after),
            without_draw: undrawn,
            without_listener: elsewhere,
            ways,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, moved, without_draw, without_listener, ways } = self;
        let row = |way: &Flow| {
            let Flow { proxy, listener, destination, before, after, connections } = way;
            let dialled = if destination.is_empty() { listener } else { destination };
            [proxy.clone(), dialled.clone(), before.clone(), after.clone(), connections.to_string()]
        };
        f.write_str(&output::table(
            ["PROXY", "DIALLED", "NOW", "THEN", "CONNECTIONS"],
            ways.iter().map(row),
        ))?;
        writeln!(f, "\n{connections} connections decided twice, {moved} of them would go elsewhere")?;
        if *without_draw > 0 {
            writeln!(
                f,
                "{without_draw} connections of the log have no draw: nothing was decided about them"
            )?;
        }
        if *without_listener > 0 {
            writeln!(f, "{without_listener} connections of the log came to listeners that are not there")?;
        }
        Ok(())
    }
}
