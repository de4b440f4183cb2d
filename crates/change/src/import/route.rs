//! MeshTCPRoutes, the result of an import.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::note::Origin;

/// Route under construction.
#[derive(Clone, Debug)]
pub(super) struct Route<'a> {
    /// Document that it comes from.
    pub(super) origin: Origin<'a>,
    /// Suffix of its name among routes of the same document; empty for the first.
    pub(super) suffix: String,
    /// Proxies that it is for.
    pub(super) target: Target,
    /// Rules by destination.
    pub(super) items: Vec<Item>,
}

/// Proxies that a route is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// Every proxy.
    Mesh,
    /// Proxies with these labels.
    Labels(BTreeMap<String, String>),
    /// Builtin gateway, or those of its listeners that have a tag.
    Gateway {
        /// Name of the gateway.
        name: String,
        /// Value of the tag; `None`: all listeners.
        listener: Option<String>,
    },
}

/// Tag that tells the listeners of a MeshGateway apart: they have no names.
pub(super) const LISTENER_TAG: &str = "meshtcp.io/listener";

/// Rules of a route for one destination.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Target of the `to` item; on gateways the whole mesh.
    pub(super) to: Value,
    /// BackendRefs.
    pub(super) backends: Vec<Value>,
}

impl Route<'_> {
    /// Name of the route, if it is not taken.
    pub(super) fn wanted_name(&self) -> String {
        self.free_name(&BTreeSet::new())
    }

    /// Name that no other route has.
    pub(super) fn free_name(&self, taken: &BTreeSet<String>) -> String {
        let Origin { name, namespace, .. } = &self.origin;
        let join = |parts: &[&str]| {
            parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
        };
        let tries = [join(&[name, &self.suffix]), join(&[name, namespace, &self.suffix])];
        let numbered = (2u32..).map(|number| join(&[name, namespace, &self.suffix, &number.to_string()]));
        tries.into_iter().chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
    }

    /// Document, in the Universal format.
    ///
    /// Both systems that routes come from refuse the share of a backend that cannot be reached; so does the result.
    pub(super) fn document(&self, mesh: &str, name: &str) -> Value {
        let target = match &self.target {
            Target::Mesh => json!({"kind": "Mesh"}),
            Target::Labels(labels) => json!({"kind": "Dataplane", "labels": labels}),
            Target::Gateway { name, listener: None } => json!({"kind": "MeshGateway", "name": name}),
            Target::Gateway { name, listener: Some(listener) } => {
                json!({"kind": "MeshGateway", "name": name, "tags": {LISTENER_TAG: listener}})
            }
        };
        let item = |Item { to, backends }: &Item| json!({"targetRef": to, "rules": [{"default": {"backendRefs": backends}}]});
        json!({
            "type": "MeshTCPRoute",
            "mesh": mesh,
            "name": name,
            "labels": {"meshtcp.io/on-unavailable": "refuse"},
            "spec": {"targetRef": target, "to": self.items.iter().map(item).collect::<Vec<_>>()},
        })
    }
}

/// Reference to a resource of some kind, without absent parts.
pub(super) fn reference(kind: &str, name: &str, namespace: &str) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("kind".into(), kind.into());
    members.insert("name".into(), name.into());
    if !namespace.is_empty() {
        members.insert("namespace".into(), namespace.into());
    }
    members
}
