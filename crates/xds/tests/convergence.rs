//! Convergence: the last state always arrives, at a client that refuses inconsistent resources, in either dialect and
//! protocol, over a network that delays every message and loses streams, from control planes that restart and replace
//! each other.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod client;

use std::collections::{BTreeMap, VecDeque};
use std::iter::Cycle;
use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use client::{Client, ClientRequest, Dialect, ENVOY, L4, ServerResponse, Wire, body};
use meshtcp_xds::{Delta, Memory, ResourceSet, StateOfTheWorld, Subscription, TypeUrl};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Publication of a set: which of three clusters there are, all used by one user; whether a second user uses only
    /// the first; and the number of every version.
    Publish { shape: u8, number: u8 },
    /// Passage of time, in milliseconds.
    Wait(u64),
    /// Break of the stream; a new one is opened to a control plane, which may be behind.
    Connect(usize),
    /// A control plane learns the last published set.
    Learn(usize),
    /// Restart of the control plane that serves the client.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..16, 0u8..3).prop_map(|(shape, number)| Step::Publish { shape, number }),
        6 => (1u64..1500).prop_map(Step::Wait),
        1 => (0..PLANES).prop_map(Step::Connect),
        1 => (0..PLANES).prop_map(Step::Learn),
        1 => Just(Step::Restart),
    ];
    vec(step, 0..40)
}

/// Message delays, in milliseconds, used one after the other, cyclically.
fn delays() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![3 => 0u64..50, 4 => 50u64..700, 1 => 1500u64..4000], 1..12)
}

/// Number of control planes.
const PLANES: usize = 3;

/// Time within which the last state arrives when nothing is lost any more, whatever the delays.
const A_WHILE: Duration = Duration::from_secs(60);

fn set(dialect: Dialect, shape: u8, number: u8) -> ResourceSet {
    let mut set = ResourceSet::default();
    let mut insert = |type_url: &'static str, name: &str, uses: &[&str], rest: String| {
        set.insert(TypeUrl::new(type_url), name, body(name, uses, &rest).into_bytes());
    };
    let names = ["alpha", "beta", "gamma"].into_iter().enumerate();
    let there: Vec<&str> = names.filter(|(bit, _)| shape & (1 << bit) != 0).map(|(_, name)| name).collect();
    for name in &there {
        insert(dialect.clusters, name, &[], format!("cluster {}", number % 2));
        insert(dialect.endpoints, name, &[], format!("endpoints {number}"));
    }
    let mut user = |name: &str, clusters: &[&str]| {
        let mut uses = clusters.to_vec();
        for type_url in dialect.users {
            insert(type_url, name, &uses, format!("user {number}"));
            uses = vec![name];
        }
    };
    user("out", &there);
    if shape & 0b1001 == 0b1001 {
        user("side", &there[..1]);
    }
    set
}

#[derive(Clone, Default)]
struct Plane {
    memory: Memory,
    target: Arc<ResourceSet>,
}

struct Fleet<P: Wire> {
    now: Duration,
    dialect: Dialect,
    planes: Vec<Plane>,
    serving: usize,
    server: Subscription<P>,
    client: Client,
    /// Requests in flight, with their arrival times; a client answers types independently of each other.
    asks: BTreeMap<&'static str, VecDeque<(Duration, ClientRequest)>>,
    said: VecDeque<(Duration, ServerResponse)>,
    delays: Cycle<IntoIter<u64>>,
    target: Arc<ResourceSet>,
}

impl<P: Wire> Fleet<P> {
    fn new(dialect: Dialect, strict: bool, delays: Vec<u64>) -> Self {
        let target = Arc::new(set(dialect, 1, 0));
        let mut fleet = Self {
            now: Duration::ZERO,
            dialect,
            planes: vec![Plane { target: Arc::clone(&target), memory: Memory::default() }; PLANES],
            serving: 0,
            server: Subscription::new("test".into(), Memory::default()),
            client: Client::new(dialect, strict),
            asks: BTreeMap::new(),
            said: VecDeque::new(),
            delays: delays.into_iter().cycle(),
            target,
        };
        fleet.connect(0);
        fleet
    }

    fn learn(&mut self, plane: usize) {
        self.planes[plane].target = Arc::clone(&self.target);
        if plane == self.serving {
            self.server.on_publish(Arc::clone(&self.target));
        }
    }

    fn connect(&mut self, plane: usize) {
        self.serving = plane;
        let Plane { memory, target } = self.planes[plane].clone();
        self.server = Subscription::new("test".into(), memory);
        self.server.on_publish(target);
        self.asks.clear();
        self.said.clear();
        let asks = self.client.connect();
        asks.into_iter().for_each(|ask| self.ask(ask));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish { shape, number } => {
                self.target = Arc::new(set(self.dialect, shape, number));
                self.learn(self.serving);
            }
            Step::Wait(milliseconds) => self.advance(Duration::from_millis(milliseconds)),
            Step::Connect(plane) => {
                self.planes[self.serving].memory = self.server.memory();
                self.connect(plane);
            }
            Step::Learn(plane) => self.learn(plane),
            Step::Restart => {
                self.planes[self.serving].memory = Memory::default();
                self.connect(self.serving);
            }
        }
    }

    fn ask(&mut self, ask: ClientRequest) {
        let mut due = self.now + Duration::from_millis(self.delays.next().unwrap());
        // Nothing overtakes the request that carries the node.
        let first = self.asks.values().flatten().find(|(_, ask)| ask.node).map(|(due, _)| *due);
        let queue = self.asks.entry(ask.type_url).or_default();
        due = due.max(queue.back().map_or(due, |(last, _)| *last)).max(first.unwrap_or(due));
        queue.push_back((due, ask));
    }

    fn answer(&mut self) {
        while let Some(response) = self.server.poll_response(self.now) {
            let due = self.now + Duration::from_millis(self.delays.next().unwrap());
            let due = due.max(self.said.back().map_or(due, |(last, _)| *last));
            self.said.push_back((due, P::said(response)));
        }
    }

    /// Time of the next spontaneous event.
    fn next(&self) -> Option<Duration> {
        let asks = self.asks.values().filter_map(VecDeque::front).map(|(due, _)| *due);
        let said = self.said.front().map(|(due, _)| *due);
        asks.chain(said).chain(self.server.wake_at()).min()
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.answer();
        for _ in 0..2000 {
            let Some(next) = self.next().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            let now = self.now;
            // In the order of the types, so that the request that carries the node is the first of its time.
            for type_url in self.dialect.types() {
                let queue = self.asks.entry(type_url).or_default();
                if let Some((_, ask)) = queue.pop_front_if(|(due, _)| *due <= now) {
                    self.server.on_request(P::request(ask), now).unwrap();
                }
            }
            if let Some((_, said)) = self.said.pop_front_if(|(due, _)| *due <= now) {
                let asks = self.client.take(said);
                asks.into_iter().for_each(|ask| self.ask(ask));
            }
            self.answer();
        }
        panic!("both ends go on talking");
    }

    /// Resources that the client should hold, in the form in which it holds them.
    fn wanted(&self) -> BTreeMap<&'static str, BTreeMap<String, String>> {
        let of_type = |type_url: &'static str| {
            let type_url = TypeUrl::new(type_url);
            let resources = self.target.of_type(&type_url);
            resources
                .map(|(name, resource)| (name.to_owned(), String::from_utf8(resource.body.to_vec()).unwrap()))
                .collect()
        };
        self.dialect.types().into_iter().map(|type_url| (type_url, of_type(type_url))).collect()
    }

    fn held(&self) -> BTreeMap<&'static str, BTreeMap<String, String>> {
        let of_type = |type_url: &'static str| {
            let held = self.client.held.get(type_url).into_iter().flatten();
            held.map(|(name, (_, body))| (name.clone(), body.clone())).collect()
        };
        self.dialect.types().into_iter().map(|type_url| (type_url, of_type(type_url))).collect()
    }
}

fn check<P: Wire>(
    dialect: Dialect,
    strict: bool,
    steps: Vec<Step>,
    delays: Vec<u64>,
) -> Result<(), TestCaseError> {
    let mut fleet = Fleet::<P>::new(dialect, strict, delays);
    for step in steps {
        fleet.take(step);
    }
    fleet.learn(fleet.serving);
    fleet.advance(A_WHILE);
    prop_assert_eq!(fleet.held(), fleet.wanted());
    prop_assert!(fleet.server.is_in_sync());
    prop_assert_eq!(fleet.server.refused().count(), 0);
    prop_assert_eq!(fleet.next(), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn in_envoys_dialect_by_delta(steps in steps(), strict: bool, delays in delays()) {
        check::<Delta>(ENVOY, strict, steps, delays)?;
    }

    #[test]
    fn in_envoys_dialect_by_state_of_the_world(steps in steps(), delays in delays()) {
        check::<StateOfTheWorld>(ENVOY, false, steps, delays)?;
    }

    #[test]
    fn in_our_own_dialect_by_delta(steps in steps(), strict: bool, delays in delays()) {
        check::<Delta>(L4, strict, steps, delays)?;
    }

    #[test]
    fn in_our_own_dialect_by_state_of_the_world(steps in steps(), delays in delays()) {
        check::<StateOfTheWorld>(L4, false, steps, delays)?;
    }
}
