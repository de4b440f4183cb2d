//! Computed parts of a resource: host names, counts, conditions. They are computed whenever it is shown and never
//! stored.
//!
//! A client sends back what it was shown; [`take_out`] removes it, and it is computed again next time. Virtual
//! IPs are stored, by one control plane for all (`crate::addresses`); so are host names, which are also shown before
//! they are stored. Left out on purpose: the server names of zone proxies.

mod conditions;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use change::addresses::{Addresses, AssignedVips, Ranges, has_addresses};
use change::compile::Compiled;
use change::status::ProxyStatus;
use model::reference::ZONE_TAG;
use model::{Kind, ProxyKey, Spec};
use plan::ProxyId;
use serde_json::{Map, Value, json};

use super::Inner;
use crate::store::Stored;

/// State of one moment, from which parts are computed.
pub(super) struct Computed {
    compiled: Arc<Compiled>,
    statuses: BTreeMap<ProxyId, ProxyStatus>,
    /// Proxies that have certificates.
    certified: BTreeSet<ProxyKey>,
    /// Host names of services.
    addresses: Addresses,
    zone: Option<String>,
}

impl Computed {
    /// Collects the current state for resources of a kind.
    pub(super) fn now(inner: &Inner, kind: Kind) -> Self {
        let of_services = kind == Kind::MeshService;
        let compiled = Arc::clone(&inner.plane.standing().compiled);
        let addresses = match has_addresses(kind) {
            true => {
                let resources = compiled.snapshot.resources().iter().map(Arc::as_ref);
                Addresses::of(resources, &Ranges::NONE, &AssignedVips::default())
            }
            false => Addresses::default(),
        };
        Self {
            compiled,
            addresses,
            statuses: if of_services { inner.plane.statuses() } else { BTreeMap::new() },
            certified: if of_services { certified(inner) } else { BTreeSet::new() },
            zone: inner.setup.rules.zone.as_deref().map(str::to_owned),
        }
    }

    /// Adds the computed parts to a stored resource, where it does not set them itself.
    pub(super) fn fill(&self, mut stored: Stored) -> Stored {
        self.addresses.write_names(&stored.key, &mut stored.document);
        let Some(Members { spec, status }) = self.members(&stored) else { return stored };
        if let Some(document) = stored.document.as_object_mut() {
            if let Some(Value::Object(said)) = document.get_mut("spec") {
                said.extend(spec);
            }
            fill_in(document, status);
        }
        stored
    }

    fn members(&self, stored: &Stored) -> Option<Members> {
        let (snapshot, key) = (&self.compiled.snapshot, &stored.key);
        let resource = || snapshot.named(key.kind, key.mesh_or_empty(), &key.name);
        let status = match key.kind {
            Kind::MeshService => {
                let resource = resource()?;
                let Spec::MeshService(service) = resource.spec() else { return None };
                return Some(services::of_zone(self, stored, resource, service));
            }
            Kind::MeshExternalService => return None,
            Kind::MeshMultiZoneService => {
                let Spec::MeshMultiZoneService(service) = resource()?.spec() else { return None };
                services::of_zones(snapshot, self.zone.is_some(), stored, service)
            }
            _ => Map::from_iter([("conditions".to_owned(), conditions::of(snapshot, stored)?)]),
        };
        Some(Members { spec: Map::new(), status })
    }
}

/// Returns the proxies that have certificates.
fn certified(inner: &Inner) -> BTreeSet<ProxyKey> {
    let Some(issuer) = &inner.setup.issuer else { return BTreeSet::new() };
    let report = Arc::clone(&issuer.report().borrow());
    report.certified().map(|(proxy, _)| proxy).collect()
}

/// Computed members of a document, by place.
struct Members {
    /// Members of `spec`; they override those of the document.
    spec: Map<String, Value>,
    /// Members of `status`, where the document has none.
    status: Map<String, Value>,
}

/// Removes computed parts from a document of a kind. `zone`: that of this control plane.
pub(super) fn take_out(zone: Option<&str>, kind: Kind, document: &mut Value) {
    let label = document["labels"][ZONE_TAG].as_str().map(str::to_owned);
    let Some(members) = document.as_object_mut() else { return };
    if kind == Kind::MeshService
        && is_here(label.as_deref(), zone)
        && let Some(Value::Object(spec)) = members.get_mut("spec")
    {
        spec.retain(|name, _| !["state", "identities"].contains(&name.as_str()));
    }
    // observed state is not taken from a client, which only sends back what it was shown
    let seen: &[&str] = match kind {
        Kind::MeshService => &["dataplaneProxies", "hostnameGenerators"],
        Kind::MeshExternalService => &["hostnameGenerators"],
        Kind::MeshMultiZoneService if zone.is_some() => &["hostnameGenerators", "conditions", "meshServices"],
        Kind::MeshMultiZoneService => &["hostnameGenerators", "conditions"],
        kind if conditions::are_of(kind) => &["conditions"],
        _ => return,
    };
    if let Some(Value::Object(status)) = members.get_mut("status") {
        status.retain(|name, _| !seen.contains(&name.as_str()));
        if let Some(Value::Array(addresses)) = status.get_mut("addresses") {
            addresses.retain(|address| address.get("hostnameGeneratorRef").is_none());
        }
        // readiness persists (spec 07 §8.2); its absence is only an observation
        if status.get("tls") == Some(&json!({ "status": services::NOT_READY })) {
            status.shift_remove("tls");
        }
        status.retain(|_, value| !says_nothing(value));
        if status.is_empty() {
            members.shift_remove("status");
        }
    }
}

/// Returns `true` if a resource with this zone label belongs to the zone of this control plane.
fn is_here(label: Option<&str>, zone: Option<&str>) -> bool {
    zone.is_some() && label.is_none_or(|label| Some(label) == zone)
}

/// Adds members to the status that it does not have.
fn fill_in(document: &mut Map<String, Value>, computed: Map<String, Value>) {
    if computed.is_empty() {
        return;
    }
    let Value::Object(said) = document.entry("status").or_insert_with(|| json!({})) else { return };
    for (name, value) in computed {
        if said.get(&name).is_none_or(says_nothing) {
            said.insert(name, value);
        }
    }
}

/// Returns `true` if a value is empty throughout.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(says_nothing),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_computed_is_taken_out_of_what_comes_back_and_nothing_else() {
        let by_hand = json!({ "hostname": "pay.example" });
        let shown = json!({
            "spec": { "state": "Available", "identities": [{ "type": "ServiceTag", "value": "pay" }], "selector": {} },
            "status": {
                "addresses": [by_hand, { "hostname": "pay.svc.mesh.local", "hostnameGeneratorRef": { "coreName": "g" } }],
                "dataplaneProxies": { "total": 1 },
                "tls": { "status": "NotReady" },
                "vips": [{ "ip": "241.0.0.1" }],
            },
        });
        let taken = |zone, kind, mut document: Value| {
            take_out(zone, kind, &mut document);
            document
        };
        let status = json!({ "addresses": [by_hand], "vips": [{ "ip": "241.0.0.1" }] });
        assert_eq!(
            taken(Some("east"), Kind::MeshService, shown.clone()),
            json!({ "spec": { "selector": {} }, "status": status })
        );
        // without zones, and of another zone, the state is what was written
        assert_eq!(taken(None, Kind::MeshService, shown.clone())["spec"], shown["spec"]);
        let mut other = shown.clone();
        other["labels"] = json!({ "kuma.io/zone": "west" });
        assert_eq!(taken(Some("east"), Kind::MeshService, other)["spec"], shown["spec"]);
        assert_eq!(taken(Some("east"), Kind::Workload, shown.clone()), shown);
        let condition =
            json!({ "spec": {}, "status": { "conditions": [{ "type": "BackendRefsResolved" }] } });
        assert_eq!(taken(None, Kind::MeshTrace, condition), json!({ "spec": {} }));
    }
}
