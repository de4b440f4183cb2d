//! Policies attached to the parts of a proxy, in the shape of older clients: the proxy itself, its inbounds, its
//! outbounds, and the services that it dials. Policies of the targetRef generation are attached to the proxy.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::reference::SERVICE_TAG;
use model::{Kind, ResourceKey};
use plan::{Shadows, View};
use serde_json::{Map, Value, json};

use super::document;
use crate::store::Stored;

/// Name under which connections that no outbound takes are logged.
const PASSED_THROUGH: &str = "pass_through";

/// Part of a proxy, with the policies that are attached to it.
pub(super) struct Attachment<'a> {
    place: Place,
    policies: Vec<&'a Stored>,
}

/// Part of a proxy.
enum Place {
    Dataplane,
    Inbound { name: String, service: String },
    Outbound { name: String, service: String },
    Service(String),
}

impl Attachment<'_> {
    /// Returns `true` if the policy is attached.
    pub(super) fn has(&self, policy: &ResourceKey) -> bool {
        self.policies.iter().any(|it| it.key == *policy)
    }

    /// Describes the part as clients expect it.
    pub(super) fn place(&self) -> Value {
        match &self.place {
            Place::Dataplane => json!({ "type": "dataplane" }),
            Place::Inbound { name, service } => {
                json!({ "type": "inbound", "name": name, "service": service })
            }
            Place::Outbound { name, service } => {
                json!({ "type": "outbound", "name": name, "service": service })
            }
            Place::Service(name) => json!({ "type": "service", "name": name, "service": name }),
        }
    }

    /// Describes the part with its policies, by kind.
    pub(super) fn shown(&self) -> Value {
        let mut by_kind: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for policy in &self.policies {
            by_kind.entry(policy.key.kind.as_str()).or_default().push(document::envelope(policy));
        }
        let mut shown = self.place();
        shown["matchedPolicies"] = json!(by_kind);
        shown
    }
}

/// Resources of a mesh, by kind and key.
pub(super) struct MeshIndex<'a> {
    by_kind: BTreeMap<Kind, Vec<&'a Stored>>,
    by_key: BTreeMap<&'a ResourceKey, &'a Stored>,
}

impl<'a> MeshIndex<'a> {
    /// Indexes all resources of a mesh.
    pub(super) fn of(stored: &'a [Stored]) -> Self {
        let mut by_kind: BTreeMap<Kind, Vec<&Stored>> = BTreeMap::new();
        stored.iter().for_each(|it| by_kind.entry(it.key.kind).or_default().push(it));
        Self { by_kind, by_key: stored.iter().map(|it| (&it.key, it)).collect() }
    }
}

/// Returns the parts of a proxy with their attached policies.
pub(super) fn of<'a>(view: &View<'_>, inside: &MeshIndex<'a>) -> Vec<Attachment<'a>> {
    let mut policies = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.is_policy()) {
        let matched = view.match_policies(view.of_kind(kind).iter().map(AsRef::as_ref), Shadows::LeftOut);
        policies.extend(matched.policies.iter().filter_map(|it| inside.by_key.get(&it.key())).copied());
    }
    parts(&view.resource().key(), inside, policies)
}

/// Returns the parts of a proxy with their attached policies of the tag-based model only.
pub(super) fn of_tags<'a>(dataplane: &ResourceKey, inside: &MeshIndex<'a>) -> Vec<Attachment<'a>> {
    parts(dataplane, inside, Vec::new())
}

/// Builds the parts of a proxy. `newer`: policies attached to the proxy itself besides those of the tag-based model.
fn parts<'a>(dataplane: &ResourceKey, inside: &MeshIndex<'a>, newer: Vec<&'a Stored>) -> Vec<Attachment<'a>> {
    let Some(dataplane) = inside.by_key.get(dataplane) else { return Vec::new() };
    let proxy = Proxy { inside, networking: &dataplane.document["networking"] };
    let mut policies = newer;
    policies
        .extend([Kind::TrafficTrace, Kind::ProxyTemplate].iter().filter_map(|kind| proxy.selected(*kind)));
    let mut found = vec![Attachment { place: Place::Dataplane, policies }];
    for inbound in proxy.part("inbound") {
        let place = Place::Inbound { name: proxy.inbound(inbound), service: service(inbound) };
        found.push(Attachment { place, policies: proxy.on_the_way_in(&inbound["tags"]) });
    }
    for outbound in proxy.part("outbound") {
        let address = outbound["address"].as_str().unwrap_or("127.0.0.1");
        let place =
            Place::Outbound { name: format!("{address}:{}", outbound["port"]), service: service(outbound) };
        let tags = &outbound["tags"];
        let mut policies = proxy.all(Kind::RateLimit, tags);
        policies
            .extend([Kind::Timeout, Kind::TrafficRoute].iter().filter_map(|kind| proxy.best(*kind, tags)));
        found.push(Attachment { place, policies });
    }
    for (service, is_dialled) in proxy.services() {
        let tags = json!({ SERVICE_TAG: service });
        let kinds: &[Kind] = match (is_dialled, service.as_str()) {
            (_, PASSED_THROUGH) => &[Kind::TrafficLog],
            (true, _) => &[Kind::CircuitBreaker, Kind::HealthCheck, Kind::Retry, Kind::TrafficLog],
            (false, _) => &[Kind::CircuitBreaker, Kind::HealthCheck, Kind::Retry],
        };
        let policies = kinds.iter().filter_map(|kind| proxy.best(*kind, &tags)).collect();
        found.push(Attachment { place: Place::Service(service), policies });
    }
    found.retain(|it| !it.policies.is_empty());
    found
}

/// Rank of a match; greater fits better: more matched tags, then more of them by value instead of by `*`.
type Rank = (usize, usize);

/// Proxy as the tag-based model sees it.
struct Proxy<'i, 'a> {
    inside: &'i MeshIndex<'a>,
    networking: &'a Value,
}

impl<'i, 'a> Proxy<'i, 'a> {
    fn part(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        self.networking[name].as_array().into_iter().flatten()
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &'a Stored> + use<'i, 'a> {
        self.inside.by_kind.get(&kind).into_iter().flatten().copied()
    }

    fn inbound(&self, inbound: &Value) -> String {
        let address = inbound["address"].as_str().or(self.networking["address"].as_str()).unwrap_or_default();
        let port = &inbound["port"];
        format!("{address}:{port}:{}", inbound.get("servicePort").unwrap_or(port))
    }

    /// Returns how well selectors fit the proxy, by the tags of any of its inbounds or of its gateway.
    fn source(&self, selectors: &Value) -> Option<Rank> {
        let gateway = self.networking.get("gateway").into_iter();
        self.part("inbound").chain(gateway).filter_map(|tagged| fit(selectors, &tagged["tags"])).max()
    }

    /// Returns the policy of a kind that selects the proxy best.
    fn selected(&self, kind: Kind) -> Option<&'a Stored> {
        best(self.of_kind(kind).filter_map(|it| Some((self.source(&it.document["selectors"])?, it))))
    }

    /// Returns the policy of a kind that fits a destination of the proxy best.
    fn best(&self, kind: Kind, destination: &Value) -> Option<&'a Stored> {
        let ranked = self.of_kind(kind).filter_map(|it| {
            let source = self.source(&it.document["sources"])?;
            let destination = fit(&it.document["destinations"], destination)?;
            Some(((source.0 + destination.0, source.1 + destination.1), it))
        });
        best(ranked)
    }

    /// Returns all policies of a kind that fit a destination of the proxy.
    fn all(&self, kind: Kind, destination: &Value) -> Vec<&'a Stored> {
        let fits = |it: &&Stored| {
            self.source(&it.document["sources"]).is_some()
                && fit(&it.document["destinations"], destination).is_some()
        };
        self.of_kind(kind).filter(fits).collect()
    }

    /// Returns the policies for connections to an inbound, whatever their source.
    fn on_the_way_in(&self, inbound: &Value) -> Vec<&'a Stored> {
        let fits = |it: &&Stored| fit(&it.document["destinations"], inbound).is_some();
        let mut policies: Vec<&Stored> =
            self.of_kind(Kind::FaultInjection).chain(self.of_kind(Kind::RateLimit)).filter(fits).collect();
        let permissions = self.of_kind(Kind::TrafficPermission);
        policies.extend(best(
            permissions.filter_map(|it| Some((fit(&it.document["destinations"], inbound)?, it))),
        ));
        policies
    }

    /// Returns the services that its connections may reach, each with `true` if it is dialled by name.
    fn services(&self) -> BTreeMap<String, bool> {
        let mut services = BTreeMap::from([(PASSED_THROUGH.to_owned(), true)]);
        for outbound in self.part("outbound") {
            services.insert(service(outbound), true);
            let Some(route) = self.best(Kind::TrafficRoute, &outbound["tags"]) else { continue };
            let conf = &route.document["conf"];
            let split = conf["split"].as_array().into_iter().flatten().map(|side| &side["destination"]);
            for name in split.chain([&conf["destination"]]).filter_map(|tags| tags[SERVICE_TAG].as_str()) {
                if name != "*" {
                    services.entry(name.to_owned()).or_insert(false);
                }
            }
        }
        services.remove("");
        services
    }
}

/// Returns how well selectors fit tags; `None`: not at all.
fn fit(selectors: &Value, tags: &Value) -> Option<Rank> {
    let fits = |wanted: &&Map<String, Value>| {
        wanted.iter().all(|(key, value)| tags.get(key).is_some_and(|tag| value == "*" || tag == value))
    };
    let wanted = selectors.as_array()?.iter().filter_map(|selector| selector["match"].as_object());
    wanted.filter(fits).map(|it| (it.len(), it.values().filter(|value| *value != "*").count())).max()
}

/// Returns the best match; among equals the newest, then the first.
fn best<'a>(ranked: impl Iterator<Item = (Rank, &'a Stored)>) -> Option<&'a Stored> {
    let ranked = ranked.enumerate().map(|(at, (rank, it))| ((rank, it.created, Reverse(at)), it));
    ranked.max_by_key(|(rank, _)| *rank).map(|(_, found)| found)
}

fn service(tagged: &Value) -> String {
    tagged["tags"][SERVICE_TAG].as_str().unwrap_or_default().to_owned()
}
