//! Conditions of a resource: what holds of it, and why.

use std::collections::BTreeSet;

use model::policy::Policy;
use model::topology::MeshServicesMode;
use model::{Kind, Spec};
use plan::Snapshot;
use serde_json::{Value, json};

use crate::api::document;
use crate::store::Stored;

/// Policies that send telemetry to backends.
const SENDING: [Kind; 3] = [Kind::MeshAccessLog, Kind::MeshMetric, Kind::MeshTrace];
/// Message of a MeshIdentity that has no effect in its mesh.
const NEEDS_SERVICES: &str = "MeshIdentity requires MeshServices to be enabled on the mesh. To enable, set \
    `spec.meshServices.mode: Exclusive` on the mesh.";

/// Returns `true` if the status of a kind consists of conditions only.
pub(super) fn are_of(kind: Kind) -> bool {
    SENDING.contains(&kind) || matches!(kind, Kind::MeshOpenTelemetryBackend | Kind::MeshIdentity)
}

/// Returns the conditions of a resource of such a kind; `None`: there are none.
pub(super) fn of(snapshot: &Snapshot, stored: &Stored) -> Option<Value> {
    match stored.key.kind {
        Kind::MeshIdentity => identity(snapshot, stored.key.mesh_or_empty()),
        Kind::MeshOpenTelemetryBackend => Some(backend(snapshot, stored)),
        kind if SENDING.contains(&kind) => Some(sending(snapshot, stored)),
        _ => None,
    }
}

pub(super) fn condition(about: &str, holds: bool, reason: &str, message: impl Into<String>) -> Value {
    let status = if holds { "True" } else { "False" };
    json!({ "type": about, "status": status, "reason": reason, "message": message.into() })
}

/// Returns the condition that the backends of a telemetry policy exist.
fn sending(snapshot: &Snapshot, stored: &Stored) -> Value {
    let mut names = BTreeSet::new();
    backends(&stored.document["spec"], &mut names);
    let there = snapshot.in_mesh(Kind::MeshOpenTelemetryBackend, stored.key.mesh_or_empty());
    let is_there = |name: &str| there.iter().any(|it| it.meta().display_name() == name);
    let absent: Vec<&str> = names.iter().copied().filter(|name| !is_there(name)).collect();
    let (resolved, message) = match (names.is_empty(), absent.as_slice()) {
        (true, _) => (true, "No MeshOpenTelemetryBackend references configured".to_owned()),
        (false, []) => (true, "All MeshOpenTelemetryBackend references resolved".to_owned()),
        (false, absent) => (false, format!("There is no MeshOpenTelemetryBackend {}", absent.join(", "))),
    };
    let reason = if resolved { "AllBackendRefsResolved" } else { "BackendRefsNotResolved" };
    json!([condition("BackendRefsResolved", resolved, reason, message)])
}

/// Returns the condition that some policy sends to a backend.
fn backend(snapshot: &Snapshot, stored: &Stored) -> Value {
    let id = document::id(stored);
    let policies = SENDING.iter().flat_map(|kind| snapshot.in_mesh(*kind, stored.key.mesh_or_empty()));
    let referring = policies.filter(|policy| match policy.spec() {
        Spec::Policy(policy) => backends_of(policy).contains(id.name.as_str()),
        _ => false,
    });
    let (holds, reason, message) = match referring.count() {
        0 => (false, "NotReferenced", "Not referenced by any observability policy".to_owned()),
        some => (true, "Referenced", format!("Referenced by {some} observability policies")),
    };
    json!([condition("ReferencedByPolicies", holds, reason, message)])
}

/// Returns what a MeshIdentity lacks. Readiness beyond that is decided by the issuer of its certificates.
fn identity(snapshot: &Snapshot, mesh: &str) -> Option<Value> {
    let has_services = snapshot.mesh(mesh)?.mesh_services == MeshServicesMode::Exclusive;
    (!has_services).then(|| {
        json!([
            condition("DependenciesReady", false, "MeshServicesDisabled", NEEDS_SERVICES),
            condition("Ready", false, "Failure", "One of initialization steps failed"),
        ])
    })
}

fn backends_of(policy: &Policy) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let items = policy.to.iter().chain(&policy.from).map(|item| &item.conf);
    let rules = policy.rules.iter().filter_map(|rule| rule.conf.as_ref());
    for conf in items.chain(rules).chain(policy.default.as_deref()) {
        backends(conf.written().as_json(), &mut names);
    }
    names
}

/// Collects the names of the telemetry backends that a tree names anywhere.
fn backends<'a>(tree: &'a Value, names: &mut BTreeSet<&'a str>) {
    match tree {
        Value::Object(members) => {
            names.extend(tree.pointer("/openTelemetry/backendRef/name").and_then(Value::as_str));
            members.values().for_each(|member| backends(member, names));
        }
        Value::Array(items) => items.iter().for_each(|item| backends(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
