//! The client side of a delta stream of our own L4 types, as plain state.
//!
//! ```text
//!   connect ────┐                              ┌─▶ poll_request ─▶ subscribe, ACK, NACK
//!   response ─▶ on_response ─▶ draft ─▶ offer ─┤
//!                                              └─▶ a ResourceSet for the consumer, who accepts or refuses it
//! ```
//!
//! The responses of one change come one type after the other. The consumer is offered the resulting set only when it is
//! consistent: every listener has its routes, every route its clusters, every cluster its endpoints. If it does not
//! become so within [`QUIET`], its consistent part is offered, so that one missing piece does not hold up the rest, and
//! the resources that need the piece wait for it as long as a server is [patient](PATIENCE). Then the set is offered as
//! it is. Only offered resources are answered: a resource that the consumer refuses is a NACK in the consumer's own
//! words, and is taken back. Resources that need not wait are answered first, since a server sends nothing of a type
//! before it is answered.
//!
//! Time is an argument: a duration since any fixed start, as long as it never runs backwards.

mod draft;
mod references;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use draft::{Withheld, keep_needed, put_back, restore, withhold};
use references::Gap;

use crate::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_NAMES, L4_ROUTE, L4_SECRET};
use crate::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Status};
use crate::{PATIENCE, ResourceSet, TypeUrl};

/// Time after the last response of an inconsistent set after which its consistent part is offered.
pub const QUIET: Duration = Duration::from_millis(200);

/// gRPC code of a NACK: `INVALID_ARGUMENT`.
const REFUSED: i32 = 3;

/// Type and name of a resource.
type Id = (TypeUrl, String);

type Resources = BTreeMap<TypeUrl, BTreeMap<String, Received>>;

/// Client side of discovery, over any number of streams one after the other.
#[derive(Debug)]
pub struct DiscoveryClient {
    node: Node,
    /// Resources that the consumer has accepted.
    accepted: Resources,
    /// Accepted resources with everything that has arrived since.
    draft: Resources,
    current: Arc<ResourceSet>,
    generation: u64,
    /// Responses since the last offer, in the order of arrival.
    unanswered: Vec<Unanswered>,
    /// Types that were answered on any stream: until all needed ones were, no set is complete.
    answered_types: BTreeSet<TypeUrl>,
    /// Resources held back from the last offer, which wait for others that they need.
    waiting: BTreeSet<Id>,
    last_arrival: Duration,
    requests: VecDeque<DeltaDiscoveryRequest>,
}

/// Resource as it arrived; `version` is the server's, and is only sent back to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Received {
    version: String,
    body: Arc<[u8]>,
}

#[derive(Debug)]
struct Unanswered {
    type_url: TypeUrl,
    nonce: String,
    arrived: Duration,
    /// Names of the resources in the response; `removed`: those that it removed.
    names: BTreeSet<String>,
    removed: BTreeSet<String>,
    /// Reasons for refusal by name.
    faults: BTreeMap<String, String>,
}

/// Resource that the consumer cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedResource {
    /// Type of the resource.
    pub type_url: TypeUrl,
    /// Name of the resource.
    pub name: String,
    /// Reason, in words for an operator.
    pub reason: String,
}

impl DiscoveryClient {
    /// Creates a mirror without resources. `node` is the identity that every stream sends.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            accepted: Resources::new(),
            draft: Resources::new(),
            current: Arc::default(),
            generation: 0,
            unanswered: Vec::new(),
            answered_types: BTreeSet::new(),
            waiting: BTreeSet::new(),
            last_arrival: Duration::ZERO,
            requests: VecDeque::new(),
        }
    }

    /// Begins a stream: subscribes to everything, and sends the versions of resources that are here already. Resources
    /// that an earlier stream brought and the consumer has not seen are forgotten.
    pub fn connect(&mut self) {
        self.draft = self.accepted.clone();
        self.unanswered.clear();
        self.waiting.clear();
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

    /// Next request to send; `None`: there is none.
    pub fn poll_request(&mut self) -> Option<DeltaDiscoveryRequest> {
        self.requests.pop_front()
    }

    /// Takes a response, which is answered after the next offer.
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
        self.waiting.clear();
        self.answered_types.insert(type_url.clone());
        let mut unanswered = Unanswered {
            type_url: type_url.clone(),
            nonce,
            arrived: now,
            removed: removed_resources.iter().cloned().collect(),
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

    /// Offers the consumer the arrived resources if they are consistent, or their consistent part if nothing has come
    /// for [`QUIET`].
    ///
    /// `consumer` runs the set, or returns the resources that it cannot run and goes on with the last set; then these
    /// are taken back, and the rest is offered once more. A refusal that names nothing that has arrived since the last
    /// offer is a refusal of everything that arrived.
    pub fn offer(
        &mut self,
        now: Duration,
        mut consumer: impl FnMut(&Arc<ResourceSet>) -> Result<(), Vec<RejectedResource>>,
    ) {
        let Some(first) = self.unanswered.first() else { return };
        let mut withheld = Withheld::new();
        if !self.is_whole() && now < first.arrived + PATIENCE {
            if !self.has_parts() || now < self.last_arrival + QUIET {
                return;
            }
            withheld = withhold(&mut self.draft, &self.accepted);
        }
        self.waiting = withheld.keys().cloned().collect();
        loop {
            self.keep_needed();
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
        put_back(&mut self.draft, withheld);
        self.answer();
    }

    /// Time at which [`offer`](Self::offer) may have something although nothing arrived until then; `None`: never.
    pub fn wake_at(&self) -> Option<Duration> {
        let late = self.unanswered.first()?.arrived + PATIENCE;
        let may_part = self.has_parts() && self.waiting.is_empty();
        Some(if may_part { late.min(self.last_arrival + QUIET) } else { late })
    }

    /// Set that the consumer accepted last; empty before that.
    pub fn current(&self) -> &Arc<ResourceSet> {
        &self.current
    }

    /// Number of sets that the consumer has accepted.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn is_whole(&self) -> bool {
        self.knows_all_types() && references::are_complete(&self.draft)
    }

    /// Returns `true` if a part of the draft may be offered without the rest: not before the first complete set.
    fn has_parts(&self) -> bool {
        self.generation > 0 && self.knows_all_types()
    }

    fn knows_all_types(&self) -> bool {
        needed_types().all(|type_url| self.answered_types.contains(&type_url))
    }

    /// Refuses removals of resources that a remaining resource still needs.
    fn keep_needed(&mut self) {
        for Gap { of: (_, user), missing: (type_url, name) } in keep_needed(&mut self.draft, &self.accepted) {
            let removals = self.unanswered.iter_mut().filter(|response| response.type_url == type_url);
            for response in removals.filter(|response| response.removed.contains(&name)) {
                response.faults.entry(name.clone()).or_insert_with(|| format!("{user} still needs it"));
            }
        }
    }

    fn take_back(&mut self, refusals: &[RejectedResource]) {
        let mut took_back = false;
        for RejectedResource { type_url, name, reason } in refusals {
            let id = (type_url.clone(), name.clone());
            let arrived = self.unanswered.iter_mut().rev().find(|response| {
                response.type_url == *type_url
                    && response.names.contains(name)
                    && !response.faults.contains_key(name)
            });
            if let Some(response) = arrived.filter(|_| !self.waiting.contains(&id)) {
                response.faults.insert(name.clone(), reason.clone());
                restore(&mut self.draft, &self.accepted, &id);
                took_back = true;
            }
        }
        if took_back {
            return;
        }
        // An arrived resource does not go with an earlier one: the consumer stays with the earlier ones.
        let reasons: Vec<_> =
            refusals.iter().map(|refusal| format!("{}: {}", refusal.name, refusal.reason)).collect();
        for response in &mut self.unanswered {
            for name in response.names.iter().chain(&response.removed) {
                if !self.waiting.contains(&(response.type_url.clone(), name.clone())) {
                    response.faults.entry(name.clone()).or_insert_with(|| reasons.join("; "));
                }
            }
        }
        self.draft.clone_from(&self.accepted);
    }

    /// Answers the offered responses, each as a whole.
    fn answer(&mut self) {
        for response in std::mem::take(&mut self.unanswered) {
            let mut ids = response.names.iter().chain(&response.removed);
            if ids.any(|name| self.waiting.contains(&(response.type_url.clone(), name.clone()))) {
                self.unanswered.push(response);
                continue;
            }
            let Unanswered { type_url, nonce, faults, .. } = response;
            // One line per resource, which begins with its name: the server recognises refused resources by that.
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

/// Types that our proxy runs. Types known to all of our control planes come first: they tell the proxy from an Envoy.
fn types() -> impl Iterator<Item = TypeUrl> {
    needed_types().chain([L4_SECRET, L4_NAMES].map(TypeUrl::new))
}

/// Types without which no set is complete. An older control plane sends nothing of the others.
fn needed_types() -> impl Iterator<Item = TypeUrl> {
    [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER].into_iter().map(TypeUrl::new)
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
