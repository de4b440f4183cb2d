//! Both ends of a stream over a network that delays, cuts and restarts, one step at a time.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use meshtcp_xds::order::{L4_CLUSTER, L4_ROUTE};
use meshtcp_xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use meshtcp_xds::proto::l4::{Backend, Cluster, Endpoints, Listener, Route};
use meshtcp_xds::{Delta, Memory, Mirror, PATIENCE, Refusal, ResourceSet, Subscription, TypeUrl, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, Debug)]
enum Step {
    /// Publish a set: which of three clusters there are, which the route uses, and a weight; weight 13 is refused.
    Publish { clusters: u8, weight: u32 },
    /// The oldest request on its way arrives.
    RequestArrives,
    /// The oldest response on its way arrives.
    ResponseArrives,
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The connection breaks, and a new one is made.
    Reconnect,
    /// The control plane forgets everything but what is published.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..8, prop_oneof![1u32..4, Just(13)]).prop_map(|(clusters, weight)| Step::Publish { clusters, weight }),
        8 => Just(Step::RequestArrives),
        8 => Just(Step::ResponseArrives),
        2 => (1u64..1000).prop_map(Step::Wait),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Restart),
    ]
}

/// The bad weight.
const REFUSED_WEIGHT: u32 = 13;

fn set(clusters: u8, weight: u32, generation: u64) -> ResourceSet {
    let mut set = ResourceSet::default();
    let names: Vec<_> =
        ["a", "b", "c"].into_iter().enumerate().filter(|(bit, _)| clusters & (1 << bit) != 0).collect();
    let mut backends = Vec::new();
    for (bit, name) in names {
        set.insert_message(name, &Cluster { name: name.into(), ..Default::default() });
        set.insert_message(name, &Endpoints { cluster: name.into(), ..Default::default() });
        backends.push(Backend {
            cluster: name.into(),
            weight: weight + bit as u32 * 100,
            ..Default::default()
        });
    }
    set.insert_message(
        "out",
        &Route { name: "out".into(), backends, refusal: weight.to_string(), ..Default::default() },
    );
    set.insert_message("out", &Listener { name: "out".into(), route: "out".into(), ..Default::default() });
    // Tells how new the set is that a resource came with.
    set.insert_message(
        "clock",
        &Cluster { name: "clock".into(), connect_timeout_ms: generation, ..Default::default() },
    );
    set.insert_message("clock", &Endpoints { cluster: "clock".into(), ..Default::default() });
    set
}

struct Pair {
    now: Duration,
    server: Subscription<Delta>,
    client: Mirror,
    requests: VecDeque<DeltaDiscoveryRequest>,
    responses: VecDeque<DeltaDiscoveryResponse>,
    target: Arc<ResourceSet>,
    published: u64,
    /// Everything that was ever published.
    ever: BTreeSet<(TypeUrl, String, Version)>,
    /// What was refused on this stream.
    refused: BTreeSet<(String, Version)>,
    /// What the client told the server that it refused.
    nacked: BTreeMap<String, Vec<(String, Version)>>,
    seen_generation: u64,
    accepted_generation: u64,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            now: Duration::ZERO,
            server: Subscription::new("test".into(), Memory::default()),
            client: Mirror::new(Node { id: "default.web-1".into(), ..Node::default() }),
            requests: VecDeque::new(),
            responses: VecDeque::new(),
            target: Arc::default(),
            published: 0,
            ever: BTreeSet::new(),
            refused: BTreeSet::new(),
            nacked: BTreeMap::new(),
            seen_generation: 0,
            accepted_generation: 0,
        };
        pair.publish(1, 1);
        pair.connect(Memory::default());
        pair
    }

    fn publish(&mut self, clusters: u8, weight: u32) {
        self.published += 1;
        self.target = Arc::new(set(clusters, weight, self.published));
        for type_url in self.target.type_urls() {
            let resources = self.target.of_type(type_url);
            self.ever.extend(
                resources.map(|(name, resource)| (type_url.clone(), name.to_owned(), resource.version)),
            );
        }
        self.server.on_publish(Arc::clone(&self.target));
    }

    fn connect(&mut self, memory: Memory) {
        self.server = Subscription::new("test".into(), memory);
        self.server.on_publish(Arc::clone(&self.target));
        self.requests.clear();
        self.responses.clear();
        self.refused.clear();
        self.nacked.clear();
        self.client.connect();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish { clusters, weight } => self.publish(clusters, weight),
            Step::RequestArrives => {
                if let Some(request) = self.requests.pop_front() {
                    let nacked = self.nacked.remove(&request.response_nonce).unwrap_or_default();
                    self.server.on_request(request, self.now).unwrap();
                    self.refused.extend(nacked);
                }
            }
            Step::ResponseArrives => {
                if let Some(response) = self.responses.pop_front() {
                    self.note_bad(&response);
                    self.client.on_response(response, self.now);
                }
            }
            Step::Wait(milliseconds) => self.now += Duration::from_millis(milliseconds),
            Step::Reconnect => self.connect(self.server.memory()),
            Step::Restart => self.connect(Memory::default()),
        }
        self.run();
    }

    /// Remembers what the client is going to refuse of a response.
    fn note_bad(&mut self, response: &DeltaDiscoveryResponse) {
        for resource in &response.resources {
            let body = &resource.resource.as_ref().unwrap().value;
            if response.type_url == L4_ROUTE && is_bad(body) {
                let bad = (resource.name.clone(), Version::of(body));
                self.nacked.entry(response.nonce.clone()).or_default().push(bad);
            }
        }
    }

    /// Lets both ends say what they have to say.
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
            match set.get(&TypeUrl::new(L4_ROUTE), "out") {
                Some(route) if is_bad(&route.body) => Err(vec![Refusal {
                    type_url: TypeUrl::new(L4_ROUTE),
                    name: "out".into(),
                    reason: "an unlucky weight".into(),
                }]),
                _ => Ok(()),
            }
        });
        assert!(client.generation() >= self.accepted_generation);
        self.accepted_generation = client.generation();
        self.requests.extend(std::iter::from_fn(|| self.client.poll_request()));
        while let Some(response) = self.server.poll_response(self.now) {
            for resource in &response.resources {
                let version = Version::of(&resource.resource.as_ref().unwrap().value);
                let again =
                    response.type_url == L4_ROUTE && self.refused.contains(&(resource.name.clone(), version));
                assert!(!again, "{} was refused and sent again", resource.name);
            }
            self.responses.push_back(response);
        }
    }

    /// Lets everything arrive, and time pass, until nothing happens any more.
    fn quiet(&mut self) {
        for _ in 0..1000 {
            self.run();
            if !self.requests.is_empty() {
                self.take(Step::RequestArrives);
            } else if !self.responses.is_empty() {
                self.take(Step::ResponseArrives);
            } else {
                match self.server.wake_at().into_iter().chain(self.client.wake_at()).min() {
                    Some(wake) => self.now = self.now.max(wake),
                    None => return,
                }
            }
        }
        panic!("both ends go on talking");
    }
}

fn is_bad(route: &[u8]) -> bool {
    Route::decode(route).unwrap().refusal == REFUSED_WEIGHT.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn both_ends_agree_after_quiet(steps in vec(step(), 0..80)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
        }
        pair.quiet();
        // What is refused is held back; a good set after that must arrive whole.
        pair.publish(5, 2);
        pair.quiet();
        prop_assert!(pair.server.is_in_sync());
        prop_assert_eq!(pair.client.current(), &pair.target);
    }
}

#[test]
fn a_quiet_stream_costs_nothing() {
    let mut pair = Pair::new();
    pair.quiet();
    pair.now += PATIENCE * 10;
    pair.run();
    assert!(pair.requests.is_empty() && pair.responses.is_empty());
    assert_eq!(pair.server.wake_at(), None);
}
