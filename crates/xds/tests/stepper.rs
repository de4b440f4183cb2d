//! Both ends of a stream of our own over a network that delays, breaks and restarts, one step at a time.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::Cycle;
use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use meshtcp_xds::order::{L4_CLUSTER, L4_LISTENER, L4_ROUTE};
use meshtcp_xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use meshtcp_xds::proto::l4::{Backend, Cluster, Endpoint, Endpoints, Listener, Route};
use meshtcp_xds::{
    Delta, DiscoveryClient, Memory, PATIENCE, RejectedResource, ResourceSet, Subscription, TypeUrl, Version,
};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, Debug)]
enum Step {
    /// Publication of a set, at the control plane that serves the client: which of three clusters there are, all of
    /// which the route uses; whether a second listener uses the first; and a weight; weight 13 is refused.
    Publish { shape: u8, weight: u32 },
    /// Passage of time, in milliseconds, with the arrival of everything due.
    Wait(u64),
    /// Break of the connection; a new one is made.
    Reconnect,
    /// Break of the connection; a new one is made to another control plane, which may be behind.
    Move(usize),
    /// A control plane learns the last published set.
    Learn(usize),
    /// Restart of the control plane, which forgets everything but the published set.
    Restart,
}

fn step(weight: impl Strategy<Value = u32> + 'static) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..16, weight).prop_map(|(shape, weight)| Step::Publish { shape, weight }),
        6 => (1u64..1500).prop_map(Step::Wait),
        1 => Just(Step::Reconnect),
        1 => (0..PLANES).prop_map(Step::Move),
        1 => (0..PLANES).prop_map(Step::Learn),
        1 => Just(Step::Restart),
    ]
}

/// Message delays, in milliseconds, used one after the other, cyclically.
fn delays() -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![3 => 0u64..50, 4 => 50u64..700, 1 => 1500u64..4000], 1..12)
}

/// Number of control planes.
const PLANES: usize = 3;

/// Weight that is refused.
const REFUSED_WEIGHT: u32 = 13;

/// Shortest pause before a refused resource is offered again for no other reason.
const PAUSE: Duration = Duration::from_secs(5);

fn set(shape: u8, weight: u32, generation: u64) -> ResourceSet {
    let mut set = ResourceSet::default();
    let mut cluster = |name: &str, connect_timeout_ms| {
        set.insert_message(name, &Cluster { name: name.into(), connect_timeout_ms, ..Default::default() });
        let endpoints = vec![Endpoint { port: weight, ..Default::default() }];
        set.insert_message(name, &Endpoints { cluster: name.into(), endpoints });
    };
    let backend = |name: &str, weight| Backend { cluster: name.into(), weight, ..Default::default() };
    let mut backends = Vec::new();
    for (bit, name) in ["alpha", "beta", "gamma"].into_iter().enumerate() {
        if shape & (1 << bit) != 0 {
            cluster(name, 0);
            backends.push(backend(name, weight + bit as u32 * 100));
        }
    }
    // Carries the generation of the set that a resource came with.
    cluster("clock", generation);
    let mut listener = |name: &str, backends, refusal: String| {
        set.insert_message(name, &Route { name: name.into(), backends, refusal, ..Default::default() });
        set.insert_message(name, &Listener { name: name.into(), route: name.into(), ..Default::default() });
    };
    listener("out", backends, weight.to_string());
    if shape & 0b1001 == 0b1001 {
        listener("side", vec![backend("alpha", 1)], String::new());
    }
    set
}

#[derive(Clone, Default)]
struct Plane {
    memory: Memory,
    target: Arc<ResourceSet>,
}

struct Pair {
    now: Duration,
    planes: Vec<Plane>,
    /// Control plane that serves the client.
    serving: usize,
    server: Subscription<Delta>,
    client: DiscoveryClient,
    /// Requests in flight, with their arrival times.
    requests: VecDeque<(Duration, DeltaDiscoveryRequest)>,
    responses: VecDeque<(Duration, DeltaDiscoveryResponse)>,
    delays: Cycle<IntoIter<u64>>,
    target: Arc<ResourceSet>,
    published: u64,
    /// Everything that was ever published.
    ever: BTreeSet<(TypeUrl, String, Version)>,
    /// Resources refused on this stream, with the time, since clusters were answered.
    refused: BTreeMap<(String, Version), Duration>,
    /// Resources that the client reported as refused to the server.
    nacked: BTreeMap<String, Vec<(String, Version)>>,
    seen_generation: u64,
    accepted_generation: u64,
}

impl Pair {
    fn new(delays: Vec<u64>) -> Self {
        let mut pair = Self {
            now: Duration::ZERO,
            planes: vec![Plane::default(); PLANES],
            serving: 0,
            server: Subscription::new("test".into(), Memory::default()),
            client: DiscoveryClient::new(Node { id: "default.web-1".into(), ..Node::default() }),
            requests: VecDeque::new(),
            responses: VecDeque::new(),
            delays: delays.into_iter().cycle(),
            target: Arc::default(),
            published: 0,
            ever: BTreeSet::new(),
            refused: BTreeMap::new(),
            nacked: BTreeMap::new(),
            seen_generation: 0,
            accepted_generation: 0,
        };
        pair.publish(1, 1);
        (0..PLANES).for_each(|plane| pair.learn(plane));
        pair.connect();
        pair
    }

    fn publish(&mut self, shape: u8, weight: u32) {
        self.published += 1;
        self.target = Arc::new(set(shape, weight, self.published));
        for type_url in self.target.type_urls() {
            let resources = self.target.of_type(type_url);
            self.ever.extend(
                resources.map(|(name, resource)| (type_url.clone(), name.to_owned(), resource.version)),
            );
        }
        self.learn(self.serving);
    }

    fn learn(&mut self, plane: usize) {
        self.planes[plane].target = Arc::clone(&self.target);
        if plane == self.serving {
            self.server.on_publish(Arc::clone(&self.target));
        }
    }

    fn cut(&mut self) {
        self.planes[self.serving].memory = self.server.memory();
    }

    fn connect(&mut self) {
        let Plane { memory, target } = self.planes[self.serving].clone();
        self.server = Subscription::new("test".into(), memory);
        self.server.on_publish(target);
        self.requests.clear();
        self.responses.clear();
        self.refused.clear();
        self.nacked.clear();
        self.client.connect();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish { shape, weight } => self.publish(shape, weight),
            Step::Wait(milliseconds) => self.advance(self.now + Duration::from_millis(milliseconds)),
            Step::Reconnect => {
                self.cut();
                self.connect();
            }
            Step::Move(plane) => {
                self.cut();
                self.serving = plane;
                // The resources that it serves may be older.
                self.seen_generation = 0;
                self.connect();
            }
            Step::Learn(plane) => self.learn(plane),
            Step::Restart => {
                self.planes[self.serving].memory = Memory::default();
                self.connect();
            }
        }
        self.run();
    }

    /// Time of the next spontaneous event.
    fn next(&self) -> Option<Duration> {
        let requests = self.requests.front().map(|(due, _)| *due);
        let responses = self.responses.front().map(|(due, _)| *due);
        let wakes = self.server.wake_at().into_iter().chain(self.client.wake_at());
        requests.into_iter().chain(responses).chain(wakes).min()
    }

    /// Advances time, with everything that is due until then.
    fn advance(&mut self, end: Duration) {
        self.run();
        for _ in 0..2000 {
            let Some(next) = self.next().filter(|next| *next <= end) else {
                self.now = end;
                return self.run();
            };
            self.now = self.now.max(next);
            if let Some((_, request)) = self.requests.pop_front_if(|(due, _)| *due <= self.now) {
                self.on_request(request);
            }
            if let Some((_, response)) = self.responses.pop_front_if(|(due, _)| *due <= self.now) {
                self.note_bad(&response);
                self.client.on_response(response, self.now);
            }
            self.run();
        }
        panic!("both ends go on talking");
    }

    fn on_request(&mut self, request: DeltaDiscoveryRequest) {
        // The rest of a refused response is accepted.
        if request.type_url == L4_CLUSTER {
            self.refused.clear();
        }
        let nacked = self.nacked.remove(&request.response_nonce).unwrap_or_default();
        self.server.on_request(request, self.now).unwrap();
        self.refused.extend(nacked.into_iter().map(|bad| (bad, self.now)));
    }

    /// Arrival time of a message that is sent now, behind those that were sent before.
    fn arrival(&mut self, last: Option<Duration>) -> Duration {
        let due = self.now + Duration::from_millis(self.delays.next().unwrap_or_default());
        last.map_or(due, |last| last.max(due))
    }

    /// Notes the resources of a response that the client will refuse.
    fn note_bad(&mut self, response: &DeltaDiscoveryResponse) {
        for resource in &response.resources {
            let body = &resource.resource.as_ref().unwrap().value;
            if response.type_url == L4_ROUTE && is_bad(body) {
                let bad = (resource.name.clone(), Version::of(body));
                self.nacked.entry(response.nonce.clone()).or_default().push(bad);
            }
        }
    }

    /// Runs both ends until neither has anything to send.
    fn run(&mut self) {
        let Self { client, seen_generation, ever, .. } = self;
        client.offer(self.now, |set| {
            for type_url in set.type_urls() {
                for (name, resource) in set.of_type(type_url) {
                    let known = ever.contains(&(type_url.clone(), name.to_owned(), resource.version));
                    assert!(known, "{type_url} {name} was never published");
                }
            }
            let clock = set.get(&TypeUrl::new(L4_CLUSTER), "clock");
            let generation =
                clock.map_or(0, |clock| Cluster::decode(&clock.body[..]).unwrap().connect_timeout_ms);
            assert!(generation >= *seen_generation, "{generation} after {seen_generation}");
            *seen_generation = generation;
            judge(set)
        });
        assert!(client.generation() >= self.accepted_generation);
        self.accepted_generation = client.generation();
        while let Some(request) = self.client.poll_request() {
            let due = self.arrival(self.requests.back().map(|(due, _)| *due));
            self.requests.push_back((due, request));
        }
        while let Some(response) = self.server.poll_response(self.now) {
            for resource in response.resources.iter().filter(|_| response.type_url == L4_ROUTE) {
                let version = Version::of(&resource.resource.as_ref().unwrap().value);
                let refused = self.refused.get(&(resource.name.clone(), version));
                let early = refused.is_some_and(|at| self.now < *at + PAUSE);
                assert!(!early, "{} was refused and sent again at once", resource.name);
            }
            let due = self.arrival(self.responses.back().map(|(due, _)| *due));
            self.responses.push_back((due, response));
        }
    }

    /// Lets everything arrive, and time pass.
    fn quiet(&mut self) {
        self.advance(self.now + A_WHILE);
    }
}

/// Time within which the last state arrives when nothing is lost any more, whatever the delays.
const A_WHILE: Duration = Duration::from_secs(60);

/// Refuses references to missing resources, and the refused weight.
fn judge(set: &ResourceSet) -> Result<(), Vec<RejectedResource>> {
    let is_there = |type_url, name: &str| set.get(&TypeUrl::new(type_url), name).is_some();
    let mut refusals = Vec::new();
    let mut refuse = |type_url, name: &str, reason: &str| {
        refusals.push(RejectedResource {
            type_url: TypeUrl::new(type_url),
            name: name.into(),
            reason: reason.into(),
        });
    };
    for (name, route) in set.of_type(&TypeUrl::new(L4_ROUTE)) {
        if is_bad(&route.body) {
            refuse(L4_ROUTE, name, "an unlucky weight");
        }
        let backends = Route::decode(&route.body[..]).unwrap().backends;
        for missing in backends.iter().filter(|backend| !is_there(L4_CLUSTER, &backend.cluster)) {
            refuse(L4_ROUTE, name, &format!("there is no cluster {:?}", missing.cluster));
        }
    }
    for (name, listener) in set.of_type(&TypeUrl::new(L4_LISTENER)) {
        let route = Listener::decode(&listener.body[..]).unwrap().route;
        if !is_there(L4_ROUTE, &route) {
            refuse(L4_LISTENER, name, &format!("there is no route {route:?}"));
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

fn is_bad(route: &[u8]) -> bool {
    Route::decode(route).unwrap().refusal == REFUSED_WEIGHT.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_last_state_always_arrives(steps in vec(step(1u32..4), 0..40), delays in delays()) {
        let mut pair = Pair::new(delays);
        for step in steps {
            pair.take(step);
        }
        pair.learn(pair.serving);
        pair.quiet();
        prop_assert!(pair.server.is_in_sync());
        prop_assert_eq!(pair.client.current(), &pair.target);
        prop_assert_eq!(pair.next(), None);
    }

    #[test]
    fn both_ends_agree_after_quiet(
        steps in vec(step(prop_oneof![1u32..4, Just(REFUSED_WEIGHT)]), 0..40),
        delays in delays(),
    ) {
        let mut pair = Pair::new(delays);
        for step in steps {
            pair.take(step);
        }
        pair.quiet();
        // A refused resource is held back; a good set after that must arrive whole.
        pair.publish(5, 2);
        pair.quiet();
        prop_assert!(pair.server.is_in_sync());
        prop_assert_eq!(pair.client.current(), &pair.target);
    }
}

#[test]
fn a_quiet_stream_costs_nothing() {
    let mut pair = Pair::new(vec![0]);
    pair.quiet();
    pair.now += PATIENCE * 10;
    pair.run();
    assert_eq!(pair.next(), None);
}
