//! What is computed of a resource whenever it is shown: host names, counts, whether it works. None of it is stored.
//!
//! A client sends back what it was shown; [`take_out`] takes it out again, so that it is computed anew next time.
//! Left out on purpose: virtual IPs and the server names of zone proxies, which nothing here hands out or answers to, and the
//! identities of a service, by which proxies would check more than they do.

mod host_names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use change::compile::Compiled;
use change::status::ProxyStatus;
use model::reference::ZONE_TAG;
use model::topology::{Dataplane, MeshService, MeshServicesMode, ServiceSelector};
use model::{Kind, ProxyKey, Resource, Spec};
use serde_json::{Map, Value, json};

use self::host_names::HostNames;
use super::Desk;
use super::policy::selects;
use crate::store::Stored;

/// Policies that send telemetry to backends, whose status says whether those are there.
const SENDING: [Kind; 3] = [Kind::MeshAccessLog, Kind::MeshMetric, Kind::MeshTrace];
/// Kinds whose status has nothing but conditions.
const CONDITIONED: [Kind; 5] = [
    Kind::MeshAccessLog,
    Kind::MeshMetric,
    Kind::MeshTrace,
    Kind::MeshOpenTelemetryBackend,
    Kind::MeshIdentity,
];
/// Whether the proxies of a service have certificates.
const NOT_READY: &str = "NotReady";

/// Why a MeshIdentity does nothing in a mesh.
const NEEDS_SERVICES: &str = "MeshIdentity requires MeshServices to be enabled on the mesh. To enable, set \
    `spec.meshServices.mode: Exclusive` on the mesh.";

/// What is known at one moment.
pub(super) struct Computed {
    compiled: Arc<Compiled>,
    statuses: BTreeMap<ProxyKey, ProxyStatus>,
    zone: Option<String>,
}

impl Computed {
    /// What is known now of resources of a kind.
    pub(super) fn now(desk: &Desk, kind: Kind) -> Self {
        Self {
            compiled: Arc::clone(&desk.plane.standing().compiled),
            statuses: if kind == Kind::MeshService { desk.plane.statuses() } else { BTreeMap::new() },
            zone: desk.setup.rules.zone.as_deref().map(str::to_owned),
        }
    }

    /// A stored resource with what is computed of it, where it does not say so itself.
    pub(super) fn fill(&self, mut stored: Stored) -> Stored {
        let Some(Members { spec, status }) = self.members(&stored) else { return stored };
        if let Some(document) = stored.document.as_object_mut() {
            // whether it is available is nobody's to say but ours
            merge(document, "spec", spec, |name, said| name == "state" || says_nothing(said));
            merge(document, "status", status, |_, said| says_nothing(said));
        }
        stored
    }

    fn members(&self, stored: &Stored) -> Option<Members> {
        let key = &stored.key;
        let found = || self.compiled.snapshot.named(key.kind, key.mesh_or_empty(), &key.name);
        match key.kind {
            Kind::MeshService => match found()?.spec() {
                Spec::MeshService(service) => Some(self.service(stored, service)),
                _ => None,
            },
            Kind::MeshExternalService => {
                let names = HostNames::of(&self.compiled.snapshot, "meshExternalService", stored);
                Some(Members { spec: Map::new(), status: names.status() })
            }
            Kind::MeshMultiZoneService => {
                let Spec::MeshMultiZoneService(service) = found()?.spec() else { return None };
                let services = self.compiled.snapshot.in_mesh(Kind::MeshService, key.mesh_or_empty());
                let matched: Vec<Value> = services
                    .iter()
                    .filter(|it| service.match_labels.matches(&it.meta().labels))
                    .map(|it| {
                        let meta = it.meta();
                        json!({ "name": meta.display_name(), "namespace": meta.namespace(), "zone": meta.zone(), "mesh": meta.mesh.as_str() })
                    })
                    .collect();
                let condition = match matched.len() {
                    0 => {
                        condition("MeshServicesMatched", false, "NoMatches", "No MeshServices matched".into())
                    }
                    some => {
                        let message = format!("Matched {some} MeshService(s)");
                        condition("MeshServicesMatched", true, "MatchesFound", message)
                    }
                };
                let mut status =
                    HostNames::of(&self.compiled.snapshot, "meshMultiZoneService", stored).status();
                if self.zone.is_some() {
                    status.insert("meshServices".into(), matched.into());
                }
                status.insert("conditions".into(), json!([condition]));
                Some(Members { spec: Map::new(), status })
            }
            kind if SENDING.contains(&kind) => {
                let mut names = BTreeSet::new();
                telemetry_backends(&stored.document["spec"], &mut names);
                let mesh = key.mesh_or_empty();
                let backends = self.compiled.snapshot.in_mesh(Kind::MeshOpenTelemetryBackend, mesh);
                let is_there = |name: &str| backends.iter().any(|it| it.meta().display_name() == name);
                let absent: Vec<&str> = names.iter().copied().filter(|name| !is_there(name)).collect();
                let (holds, reason, message) = match (names.is_empty(), absent.as_slice()) {
                    (true, _) => (
                        true,
                        "AllBackendRefsResolved",
                        "No MeshOpenTelemetryBackend references configured".into(),
                    ),
                    (false, []) => (
                        true,
                        "AllBackendRefsResolved",
                        "All MeshOpenTelemetryBackend references resolved".into(),
                    ),
                    (false, absent) => (
                        false,
                        "BackendRefsNotResolved",
                        format!("There is no MeshOpenTelemetryBackend {}", absent.join(", ")),
                    ),
                };
                let condition = condition("BackendRefsResolved", holds, reason, message);
                Some(Members {
                    spec: Map::new(),
                    status: Map::from_iter([("conditions".into(), json!([condition]))]),
                })
            }
            Kind::MeshIdentity => {
                let mesh = self.compiled.snapshot.mesh(key.mesh_or_empty())?;
                let has_services = mesh.mesh_services == MeshServicesMode::Exclusive;
                // whether it is ready where it has them is for whoever issues certificates by it: nobody here
                let conditions = json!([
                    condition("DependenciesReady", false, "MeshServicesDisabled", NEEDS_SERVICES.into()),
                    condition("Ready", false, "Failure", "One of initialization steps failed".into()),
                ]);
                let status = Map::from_iter([("conditions".into(), conditions)]);
                (!has_services).then(|| Members { spec: Map::new(), status })
            }
            Kind::MeshOpenTelemetryBackend => {
                let id = super::document::id(stored);
                let policies = SENDING
                    .iter()
                    .flat_map(|kind| self.compiled.snapshot.in_mesh(*kind, key.mesh_or_empty()));
                let referring = policies.filter(|policy| {
                    let mut names = BTreeSet::new();
                    let Spec::Policy(policy) = policy.spec() else { return false };
                    let items = policy.to.iter().chain(&policy.from).map(|item| &item.conf);
                    let rules = policy.rules.iter().filter_map(|rule| rule.conf.as_ref());
                    for conf in items.chain(rules).chain(policy.default.as_deref()) {
                        telemetry_backends(conf.written().as_json(), &mut names);
                    }
                    names.contains(id.name.as_str())
                });
                let condition = match referring.count() {
                    0 => condition(
                        "ReferencedByPolicies",
                        false,
                        "NotReferenced",
                        "Not referenced by any observability policy".into(),
                    ),
                    some => condition(
                        "ReferencedByPolicies",
                        true,
                        "Referenced",
                        format!("Referenced by {some} observability policies"),
                    ),
                };
                Some(Members {
                    spec: Map::new(),
                    status: Map::from_iter([("conditions".into(), json!([condition]))]),
                })
            }
            _ => None,
        }
    }

    fn service(&self, stored: &Stored, service: &MeshService) -> Members {
        let snapshot = &self.compiled.snapshot;
        let all = snapshot.in_mesh(Kind::Dataplane, stored.key.mesh_or_empty());
        let selected: Vec<(&Resource, &Dataplane)> = all
            .iter()
            .filter(|it| selects(&service.selector, it))
            .filter_map(|it| match it.spec() {
                Spec::Dataplane(dataplane) => Some((it.as_ref(), dataplane)),
                _ => None,
            })
            .collect();
        let is_healthy =
            |dataplane: &Dataplane| inbounds(&service.selector, dataplane).any(|it| it.is_healthy());
        let healthy = selected.iter().filter(|(_, dataplane)| is_healthy(dataplane)).count();
        let is_connected = |it: &Resource| {
            let key = ProxyKey::new(it.meta().mesh.as_str(), it.meta().name.as_str());
            self.statuses.get(&key).is_some_and(|status| status.connection.is_some())
        };
        let connected = selected.iter().filter(|(it, _)| is_connected(it)).count();
        let mut status = HostNames::of(snapshot, "meshService", stored).status();
        // proxies are given no certificates here
        status.insert("tls".into(), json!({ "status": NOT_READY }));
        let counts = json!({ "connected": connected, "healthy": healthy, "total": selected.len() });
        status.insert("dataplaneProxies".into(), counts);
        let mut spec = Map::new();
        // that of another zone came from there
        if is_here(stored.document["labels"][ZONE_TAG].as_str(), self.zone.as_deref()) {
            spec.insert("state".into(), json!(if healthy > 0 { "Available" } else { "Unavailable" }));
        }
        Members { spec, status }
    }
}

/// Takes out of a document of a kind what is computed of such resources. `zone`: that of this control plane.
pub(super) fn take_out(zone: Option<&str>, kind: Kind, document: &mut Value) {
    let label = document["labels"][ZONE_TAG].as_str().map(str::to_owned);
    let Some(members) = document.as_object_mut() else { return };
    if kind == Kind::MeshService
        && is_here(label.as_deref(), zone)
        && let Some(Value::Object(spec)) = members.get_mut("spec")
    {
        spec.shift_remove("state");
    }
    // whatever a client sends of what only tells what was seen, it was told
    let seen: &[&str] = match kind {
        Kind::MeshService => &["dataplaneProxies", "hostnameGenerators"],
        Kind::MeshExternalService => &["hostnameGenerators"],
        Kind::MeshMultiZoneService if zone.is_some() => &["hostnameGenerators", "conditions", "meshServices"],
        Kind::MeshMultiZoneService => &["hostnameGenerators", "conditions"],
        kind if CONDITIONED.contains(&kind) => &["conditions"],
        _ => return,
    };
    if let Some(Value::Object(status)) = members.get_mut("status") {
        status.retain(|name, _| !seen.contains(&name.as_str()));
        if let Some(Value::Array(addresses)) = status.get_mut("addresses") {
            addresses.retain(|address| address.get("hostnameGeneratorRef").is_none());
        }
        if status.get("tls") == Some(&json!({ "status": NOT_READY })) {
            status.shift_remove("tls");
        }
        status.retain(|_, value| !says_nothing(value));
        if status.is_empty() {
            members.shift_remove("status");
        }
    }
}

/// Whether a resource with such a label of its zone is of the zone of this control plane.
fn is_here(label: Option<&str>, zone: Option<&str>) -> bool {
    zone.is_some() && label.is_none_or(|label| Some(label) == zone)
}

/// What is computed, by where it stands.
struct Members {
    spec: Map<String, Value>,
    status: Map<String, Value>,
}

/// The inbounds of a selected dataplane that are the service's.
fn inbounds<'a>(
    selector: &'a ServiceSelector,
    dataplane: &'a Dataplane,
) -> impl Iterator<Item = &'a model::topology::Inbound> {
    dataplane.inbound.iter().filter(move |inbound| match selector {
        ServiceSelector::Tags(tags) => tags.matches(&inbound.tags),
        ServiceSelector::None | ServiceSelector::Name { .. } | ServiceSelector::Labels(_) => true,
    })
}

/// The names of the backends that a policy sends telemetry to, wherever it names them.
fn telemetry_backends<'a>(tree: &'a Value, names: &mut BTreeSet<&'a str>) {
    match tree {
        Value::Object(members) => {
            if let Some(name) = tree.pointer("/openTelemetry/backendRef/name").and_then(Value::as_str) {
                names.insert(name);
            }
            members.values().for_each(|member| telemetry_backends(member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| telemetry_backends(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn condition(about: &str, holds: bool, reason: &str, message: String) -> Value {
    let status = if holds { "True" } else { "False" };
    json!({ "type": about, "status": status, "reason": reason, "message": message })
}

/// Puts members into a part of a document where `gives_way` says that what stands there may be replaced.
fn merge(
    document: &mut Map<String, Value>,
    part: &str,
    computed: Map<String, Value>,
    gives_way: impl Fn(&str, &Value) -> bool,
) {
    if computed.is_empty() {
        return;
    }
    let Value::Object(said) = document.entry(part).or_insert_with(|| json!({})) else { return };
    for (name, value) in computed {
        if said.get(&name).is_none_or(|said| gives_way(&name, said)) {
            said.insert(name, value);
        }
    }
}

/// Whether a value is empty throughout.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(says_nothing),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
