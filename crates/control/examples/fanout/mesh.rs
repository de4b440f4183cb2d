//! A made-up mesh of any size, on which the measurements are taken.
//!
//! | what | how many |
//! |---|---|
//! | services, each offered by three Dataplanes | 100 |
//! | callers, which attach; each dials 10 of the services | N |
//! | MeshTCPRoutes for all callers, one for each service: 90 here, 10 to the next service | 100 |
//! | MeshTCPRoutes for one team each, which is every hundredth caller | 100 |

use std::sync::Arc;

use change::compile::{Compiler, PlanScope};
use change::{Content, Entry, Ledger, Options};
use dialect::envoy::EnvoyOptions;
use plan::{Context, ProxyId};

const SERVICES: usize = 100;
const TEAMS: usize = 100;
const DIALLED: usize = 10;

/// Resources of the mesh; some of them can be changed.
pub(crate) struct Mesh {
    entries: Vec<Arc<Entry>>,
    /// Index of the route that decides an outbound of every caller.
    of_all: usize,
    /// Index of the route that decides an outbound of one caller in a hundred.
    of_a_team: usize,
}

/// A change of the mesh.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the fan-out and the bench make different ones")]
pub(crate) enum Change {
    /// New weight in a route that decides an outbound of every caller.
    WeightOfAll(usize),
    /// New weight in a route that decides an outbound of one caller in a hundred.
    WeightOfATeam(usize),
    /// An additional caller that nobody dials.
    Caller(usize),
    /// An additional Dataplane that offers a service, which about every tenth caller dials.
    Endpoint(usize),
}

impl Mesh {
    /// Creates a mesh with the given number of callers.
    pub(crate) fn new(callers: usize) -> Self {
        let mut entries = vec![parsed("type: Mesh\nname: default\n")];
        for service in 0..SERVICES {
            entries.extend((0..3).map(|instance| server(service, instance)));
        }
        entries.extend((0..callers).map(caller));
        let first = entries.len();
        entries.extend((0..SERVICES).map(|service| route_of_all(service, 90)));
        entries.extend((0..TEAMS).map(|team| route_of_a_team(team, 90)));
        Self { entries, of_all: first + 1, of_a_team: first + SERVICES }
    }

    /// Returns all resources as a ledger.
    pub(crate) fn ledger(&self) -> Ledger {
        self.entries.iter().cloned().collect()
    }

    /// Applies a change.
    pub(crate) fn make(&mut self, change: Change) {
        match change {
            Change::WeightOfAll(weight) => self.entries[self.of_all] = route_of_all(1, weight),
            Change::WeightOfATeam(weight) => self.entries[self.of_a_team] = route_of_a_team(0, weight),
            Change::Caller(number) => self.entries.push(caller(1_000_000 + number)),
            Change::Endpoint(number) => self.entries.push(server(50, 3 + number)),
        }
    }
}

/// Creates the compiler that plans the mesh.
pub(crate) fn compiler() -> Compiler {
    Compiler { context: Context::default(), scope: PlanScope::everything(), envoy: EnvoyOptions::default() }
}

/// Proxy of the caller with the given index.
pub(crate) fn proxy(caller: usize) -> ProxyId {
    ProxyId::dataplane("default", format!("caller-{caller}").as_str())
}

fn server(service: usize, instance: usize) -> Arc<Entry> {
    parsed(&format!(
        "type: Dataplane\nmesh: default\nname: service-{service}-{instance}\nnetworking:\n  address: 10.0.{service}.{}\n  \
         inbound: [{{ port: 6379, tags: {{ kuma.io/service: service-{service}, kuma.io/protocol: tcp }} }}]\n",
        1 + instance
    ))
}

fn caller(number: usize) -> Arc<Entry> {
    let others = (0..DIALLED - 2).map(|at| 2 + (number * (DIALLED - 2) + at) % (SERVICES - 2));
    let outbounds: Vec<String> = [0, 1]
        .into_iter()
        .chain(others)
        .map(|service| {
            format!("{{ port: {}, tags: {{ kuma.io/service: service-{service} }} }}", 10_000 + service)
        })
        .collect();
    parsed(&format!(
        "type: Dataplane\nmesh: default\nname: caller-{number}\nnetworking:\n  address: 10.{}.{}.{}\n  inbound: [{{ port: \
         8080, tags: {{ kuma.io/service: caller, team: t{} }} }}]\n  outbound: [{}]\n",
        1 + number / 60_000 % 250,
        number / 250 % 240,
        1 + number % 250,
        number % TEAMS,
        outbounds.join(", ")
    ))
}

fn route_of_all(service: usize, weight: usize) -> Arc<Entry> {
    parsed(&route(&format!("all-{service}"), "{ kind: Mesh }", service, weight))
}

fn route_of_a_team(team: usize, weight: usize) -> Arc<Entry> {
    let service = if team == 0 { 0 } else { 2 + team % (SERVICES - 2) };
    let target = format!("{{ kind: MeshSubset, tags: {{ team: t{team} }} }}");
    parsed(&route(&format!("team-{team}"), &target, service, weight))
}

fn route(name: &str, target: &str, service: usize, weight: usize) -> String {
    let next = (service + 1) % SERVICES;
    format!(
        "type: MeshTCPRoute\nmesh: default\nname: {name}\nspec:\n  targetRef: {target}\n  to:\n    - targetRef: {{ kind: \
         MeshService, name: service-{service} }}\n      rules: [{{ default: {{ backendRefs: [{{ kind: MeshService, name: \
         service-{service}, weight: {weight} }}, {{ kind: MeshService, name: service-{next}, weight: 10 }}] }} }}]\n"
    )
}

fn parsed(text: &str) -> Arc<Entry> {
    let content = Content::read("mesh.yaml", text.as_bytes(), &Options::default());
    assert!(content.is_good(), "{:?}\n{text}", content.problems);
    Arc::clone(&content.entries[0])
}
