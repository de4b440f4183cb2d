//! The client side of a delta stream of our own L4 types, as plain state.
//!
//! ```text
//!   connect ────┐                              ┌─▶ poll_request ─▶ subscribe, ACK, NACK
//!   response ─▶ on_response ─▶ draft ─▶ offer ─┤
//!                                              └─▶ a ResourceSet for the consumer, who accepts or refuses it
//! ```
//!
//! The responses of one change come one type after the other. The consumer is offered what they add up to only when it
//! is consistent: every listener has its routes, every route its clusters, every cluster its endpoints. If that does
//! not come about within [`QUIET`], it is offered as it is, so that one missing piece does not hold up the rest.
//! Only then are the responses answered: what the consumer refuses is a NACK in its own words, and is taken back.
//!
//! Time is an argument: how long ago anything was, as long as it never runs backwards.

mod references;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};
use crate::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Status};
use crate::{ResourceSet, TypeUrl};

/// How long after the last response something inconsistent is offered all the same.
pub const QUIET: Duration = Duration::from_millis(200);

/// The gRPC code of what a client refuses: `INVALID_ARGUMENT`.
const REFUSED: i32 = 3;

type Resources = BTreeMap<TypeUrl, BTreeMap<String, Received>>;

/// The client side of discovery, over any number of streams one after the other.
#[derive(Debug)]
pub struct Mirror {
    node: Node,
    /// What the consumer has accepted.
    accepted: Resources,
    /// That, and what has arrived since.
    draft: Resources,
    current: Arc<ResourceSet>,
    generation: u64,
    /// Responses since the last offer, in the order of their arrival.
    unanswered: Vec<Unanswered>,
    /// The types that were answered on any stream: before all were, nothing is whole.
    answered_types: BTreeSet<TypeUrl>,
    last_arrival: Duration,
    requests: VecDeque<DeltaDiscoveryRequest>,
}

/// A resource as it arrived; `version` is the server's, and is only given back to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Received {
    version: String,
    body: Arc<[u8]>,
}

#[derive(Debug)]
struct Unanswered {
    type_url: TypeUrl,
    nonce: String,
    names: BTreeSet<String>,
    /// What is wrong with it, by name.
    faults: BTreeMap<String, String>,
}

/// A resource that the consumer cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its type.
    pub type_url: TypeUrl,
    /// Its name.
    pub name: String,
    /// Why, in words for an operator.
    pub reason: String,
}

impl Mirror {
    /// Starts with nothing. `node` is how every stream introduces itself.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            accepted: Resources::new(),
            draft: Resources::new(),
            current: Arc::default(),
            generation: 0,
            unanswered: Vec::new(),
            answered_types: BTreeSet::new(),
            last_arrival: Duration::ZERO,
            requests: VecDeque::new(),
        }
    }

    /// Begins a stream: asks for everything, and says what is here already. What an earlier stream brought and the
    /// consumer has not seen is forgotten.
    pub fn connect(&mut self) {
        self.draft = self.accepted.clone();
        self.unanswered.clear();
        self.requests.clear();
        for (index, type_url) in types().enumerate() {
            let held = self.accepted.get(&type_url).into_iter().flatten();
            self.requests.push_back(DeltaDiscoveryRequest {
                node: (index == 0).then(|| self.node.clone()),
                type_url: type_url.to_string(),
                resource_names_subscribe: vec!["*".into()],
                initial_resource_versions: held
                    .map(|(name, received)| (name.clone(), received.version.clone()))
                    .collect(),
                ..Default::default()
            });
        }
    }

    /// The next request to send, if there is one.
    pub fn poll_request(&mut self) -> Option<DeltaDiscoveryRequest> {
        self.requests.pop_front()
    }

    /// Takes a response. It is answered after the next offer.
    pub fn on_response(&mut self, response: DeltaDiscoveryResponse, now: Duration) {
        let DeltaDiscoveryResponse {
            system_version_info: _,
            resources,
            type_url,
            nonce,
            removed_resources,
            control_plane: _,
        } = response;
        let type_url = TypeUrl::new(type_url);
        self.last_arrival = now;
        self.answered_types.insert(type_url.clone());
        let mut unanswered = Unanswered {
            type_url: type_url.clone(),
            nonce,
            names: resources.iter().map(|resource| resource.name.clone()).collect(),
            faults: BTreeMap::new(),
        };
        let held = self.draft.entry(type_url.clone()).or_default();
        for resource in resources {
            let body = resource.resource.unwrap_or_default().value;
            match references::check(&type_url, &resource.name, &body) {
                Ok(()) => {
                    held.insert(
                        resource.name,
                        Received { version: resource.version, body: body.as_ref().into() },
                    );
                }
                Err(reason) => {
                    unanswered.faults.insert(resource.name, reason);
                }
            }
        }
        for name in removed_resources {
            held.remove(&name);
        }
        self.unanswered.push(unanswered);
    }

    /// Offers the consumer what has arrived, if it is consistent or nothing has come for [`QUIET`].
    ///
    /// `consumer` runs the set, or says what it cannot run and goes on with what it ran; then that is taken back, and
    /// the rest offered once more. A refusal that names nothing that has arrived since the last offer is one of all of
    /// it.
    pub fn offer(
        &mut self,
        now: Duration,
        mut consumer: impl FnMut(&Arc<ResourceSet>) -> Result<(), Vec<Refusal>>,
    ) {
        if self.unanswered.is_empty() || (now < self.last_arrival + QUIET && !self.is_whole()) {
            return;
        }
        loop {
            let set = Arc::new(as_set(&self.draft));
            if *set == *self.current && self.generation > 0 {
                break;
            }
            match consumer(&set) {
                Ok(()) => {
                    self.current = set;
                    self.generation += 1;
                    break;
                }
                Err(refusals) => self.take_back(&refusals),
            }
            if self.draft == self.accepted {
                break;
            }
        }
        self.accepted.clone_from(&self.draft);
        self.answer();
    }

    /// When [`offer`](Self::offer) may have something although nothing arrived until then.
    pub fn wake_at(&self) -> Option<Duration> {
        (!self.unanswered.is_empty()).then(|| self.last_arrival + QUIET)
    }

    /// What the consumer accepted last; empty before that.
    pub fn current(&self) -> &Arc<ResourceSet> {
        &self.current
    }

    /// How many sets the consumer has accepted.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn is_whole(&self) -> bool {
        types().all(|type_url| self.answered_types.contains(&type_url))
            && references::are_complete(&self.draft)
    }

    fn take_back(&mut self, refusals: &[Refusal]) {
        let mut took_back = false;
        for Refusal { type_url, name, reason } in refusals {
            let arrived = self.unanswered.iter_mut().rev().find(|response| {
                response.type_url == *type_url
                    && response.names.contains(name)
                    && !response.faults.contains_key(name)
            });
            if let Some(response) = arrived {
                response.faults.insert(name.clone(), reason.clone());
                restore(&mut self.draft, &self.accepted, type_url, name);
                took_back = true;
            }
        }
        if took_back {
            return;
        }
        // Something that arrived does not go with something that was here: the consumer stays with what was here.
        let reasons: Vec<_> =
            refusals.iter().map(|refusal| format!("{}: {}", refusal.name, refusal.reason)).collect();
        for response in &mut self.unanswered {
            for name in &response.names {
                response.faults.entry(name.clone()).or_insert_with(|| reasons.join("; "));
            }
        }
        self.draft.clone_from(&self.accepted);
    }

    fn answer(&mut self) {
        for Unanswered { type_url, nonce, names: _, faults } in self.unanswered.drain(..) {
            // One line a resource, which begins with its name: the server tells by that what was refused.
            let lines: Vec<_> =
                faults.into_iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
            let error_detail =
                (!lines.is_empty()).then(|| Status { code: REFUSED, message: lines.join("\n") });
            self.requests.push_back(DeltaDiscoveryRequest {
                type_url: type_url.to_string(),
                response_nonce: nonce,
                error_detail,
                ..Default::default()
            });
        }
    }
}

/// The types that a proxy of ours runs.
fn types() -> impl Iterator<Item = TypeUrl> {
    [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER].into_iter().map(TypeUrl::new)
}

fn restore(draft: &mut Resources, accepted: &Resources, type_url: &TypeUrl, name: &str) {
    let held = draft.entry(type_url.clone()).or_default();
    match accepted.get(type_url).and_then(|resources| resources.get(name)) {
        Some(received) => held.insert(name.to_owned(), received.clone()),
        None => held.remove(name),
    };
}

fn as_set(resources: &Resources) -> ResourceSet {
    let mut set = ResourceSet::default();
    for (type_url, resources) in resources {
        for (name, received) in resources {
            set.insert(type_url.clone(), name.as_str(), Arc::clone(&received.body));
        }
    }
    set
}
