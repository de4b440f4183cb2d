//! Client that says exactly what a test tells it to, and a one-line notation of sets.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a script that cannot be said is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use meshtcp_xds::proto::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node, Status,
};
use meshtcp_xds::{
    BadRequest, Delta, Event, Memory, NameBudget, Protocol, ResourceSet, StateOfTheWorld, Subscription,
    TypeUrl, Version,
};

pub(crate) const CDS: &str = meshtcp_xds::order::ENVOY_CLUSTER;
pub(crate) const EDS: &str = meshtcp_xds::order::ENVOY_ENDPOINTS;
pub(crate) const SDS: &str = meshtcp_xds::order::ENVOY_SECRET;
pub(crate) const LDS: &str = meshtcp_xds::order::ENVOY_LISTENER;

/// Set of the given resources: type, name, body.
pub(crate) fn set(resources: &[(&str, &str, &str)]) -> Arc<ResourceSet> {
    let mut set = ResourceSet::default();
    for (type_url, name, body) in resources {
        set.insert(TypeUrl::new(*type_url), *name, body.as_bytes());
    }
    Arc::new(set)
}

/// Version of a body.
pub(crate) fn version(body: &str) -> String {
    Version::of(body.as_bytes()).to_string()
}

pub(crate) struct Script<P: Protocol> {
    pub(crate) subscription: Subscription<P>,
    pub(crate) now: Duration,
    node_sent: bool,
}

impl<P: Protocol> Script<P> {
    pub(crate) fn new() -> Self {
        Self::with_memory(Memory::default())
    }

    pub(crate) fn with_memory(memory: Memory) -> Self {
        let subscription = Subscription::new("test".into(), memory);
        Self { subscription, now: Duration::ZERO, node_sent: false }
    }

    pub(crate) fn serving(resources: &[(&str, &str, &str)]) -> Self {
        let mut script = Self::new();
        script.publish(resources);
        script
    }

    /// The same with a budget for names that it shares with other streams.
    pub(crate) fn within(self, budget: &NameBudget) -> Self {
        Self { subscription: self.subscription.within(budget.clone()), ..self }
    }

    pub(crate) fn publish(&mut self, resources: &[(&str, &str, &str)]) {
        self.subscription.on_publish(set(resources));
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.subscription.poll_event()).collect()
    }

    /// Like Envoy: only the first request carries the node.
    fn node(&mut self) -> Option<Node> {
        let first = !std::mem::replace(&mut self.node_sent, true);
        first.then(|| Node { id: "default.web-1".into(), ..Node::default() })
    }
}

pub(crate) fn status(message: &str) -> Option<Status> {
    Some(Status { code: 13, message: message.into() })
}

impl Script<Delta> {
    pub(crate) fn request(&mut self, request: DeltaDiscoveryRequest) -> Result<(), BadRequest> {
        self.subscription.on_request(request, self.now)
    }

    pub(crate) fn subscribe(&mut self, type_url: &str, names: &[&str]) {
        let node = self.node();
        self.request(DeltaDiscoveryRequest {
            node,
            type_url: type_url.into(),
            resource_names_subscribe: names.iter().map(|name| (*name).into()).collect(),
            ..Default::default()
        })
        .unwrap();
    }

    pub(crate) fn unsubscribe(&mut self, type_url: &str, names: &[&str]) {
        self.request(DeltaDiscoveryRequest {
            type_url: type_url.into(),
            resource_names_unsubscribe: names.iter().map(|name| (*name).into()).collect(),
            ..Default::default()
        })
        .unwrap();
    }

    /// Resumes with the resources left by an earlier stream: name and version.
    pub(crate) fn resume(&mut self, type_url: &str, names: &[&str], held: &[(&str, String)]) {
        let node = self.node();
        self.request(DeltaDiscoveryRequest {
            node,
            type_url: type_url.into(),
            resource_names_subscribe: names.iter().map(|name| (*name).into()).collect(),
            initial_resource_versions: held
                .iter()
                .map(|(name, version)| ((*name).into(), version.clone()))
                .collect(),
            ..Default::default()
        })
        .unwrap();
    }

    /// All responses due now, in words: `Cluster +a +b -c`.
    pub(crate) fn responses(&mut self) -> Vec<DeltaDiscoveryResponse> {
        std::iter::from_fn(|| self.subscription.poll_response(self.now)).collect()
    }

    pub(crate) fn ack(&mut self, response: &DeltaDiscoveryResponse) {
        self.answer(response, None);
    }

    pub(crate) fn nack(&mut self, response: &DeltaDiscoveryResponse, message: &str) {
        self.answer(response, status(message));
    }

    fn answer(&mut self, response: &DeltaDiscoveryResponse, error_detail: Option<Status>) {
        self.request(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            error_detail,
            ..Default::default()
        })
        .unwrap();
    }

    /// Accepts responses until none comes any more. Returns them in words.
    pub(crate) fn settle(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let responses = self.responses();
            if responses.is_empty() {
                return said;
            }
            for response in &responses {
                said.push(words(response));
                self.ack(response);
            }
        }
    }
}

/// Delta response in words: last word of its type, `+` what it brings, `-` what it removes.
pub(crate) fn words(response: &DeltaDiscoveryResponse) -> String {
    let mut words = vec![short(&response.type_url)];
    words.extend(response.resources.iter().map(|resource| {
        let any = resource.resource.as_ref().unwrap();
        format!("+{}={}", resource.name, String::from_utf8_lossy(&any.value))
    }));
    words.extend(response.removed_resources.iter().map(|name| format!("-{name}")));
    words.join(" ")
}

impl Script<StateOfTheWorld> {
    pub(crate) fn request(&mut self, request: DiscoveryRequest) -> Result<(), BadRequest> {
        self.subscription.on_request(request, self.now)
    }

    /// First request of a type on a stream; `version` is empty unless the client had resources before.
    pub(crate) fn begin(&mut self, type_url: &str, names: &[&str], version: &str) {
        let node = self.node();
        self.request(DiscoveryRequest {
            node,
            type_url: type_url.into(),
            version_info: version.into(),
            resource_names: names.iter().map(|name| (*name).into()).collect(),
            ..Default::default()
        })
        .unwrap();
    }

    pub(crate) fn responses(&mut self) -> Vec<DiscoveryResponse> {
        std::iter::from_fn(|| self.subscription.poll_response(self.now)).collect()
    }

    pub(crate) fn response(&mut self) -> DiscoveryResponse {
        let mut responses = self.responses();
        assert_eq!(responses.len(), 1, "{responses:?}");
        responses.remove(0)
    }

    pub(crate) fn ack(&mut self, response: &DiscoveryResponse, names: &[&str]) {
        self.answer(response, names, None);
    }

    pub(crate) fn nack(&mut self, response: &DiscoveryResponse, names: &[&str], message: &str) {
        self.answer(response, names, status(message));
    }

    fn answer(&mut self, response: &DiscoveryResponse, names: &[&str], error_detail: Option<Status>) {
        self.request(DiscoveryRequest {
            type_url: response.type_url.clone(),
            version_info: response.version_info.clone(),
            response_nonce: response.nonce.clone(),
            resource_names: names.iter().map(|name| (*name).into()).collect(),
            error_detail,
            ..Default::default()
        })
        .unwrap();
    }
}

/// State-of-the-world response in words: last word of its type, and the bodies.
pub(crate) fn bodies(response: &DiscoveryResponse) -> String {
    let mut words = vec![short(&response.type_url)];
    words.extend(response.resources.iter().map(|any| String::from_utf8_lossy(&any.value).into_owned()));
    words.join(" ")
}

fn short(type_url: &str) -> String {
    type_url.rsplit('.').next().unwrap_or_default().to_owned()
}
