//! Import of Gateways as MeshGateways whose listeners have a tag by which routes select them.

use std::collections::{BTreeMap, BTreeSet};

use model::draft::Document;
use model::reference::SERVICE_TAG;
use serde_json::{Value, json};

use super::super::Made;
use super::super::note::{Note, Origin};
use super::super::route::LISTENER_TAG;
use super::{GROUP, list, text};

/// Gateways of the input, by namespace and name.
pub(super) struct Gateways(BTreeMap<(String, String), Gateway>);

/// Gateway that routes may attach to.
pub(super) struct Gateway {
    /// Name of its MeshGateway.
    pub(super) name: String,
    namespace: String,
    listeners: Vec<Listener>,
}

/// Listener that takes TCP.
struct Listener {
    name: String,
    port: u64,
    /// `true`: routes of other namespaces may attach, too.
    takes_all: bool,
}

impl Gateways {
    /// Collects the Gateways among the documents, and makes a MeshGateway of each that takes TCPRoutes.
    pub(super) fn of<'a>(documents: &'a [Document], made: &mut Made<'a>) -> Self {
        let (mut found, mut taken) = (BTreeMap::new(), BTreeSet::new());
        for origin in documents.iter().map(Origin::of) {
            if origin.kind() != "Gateway" || origin.group() != GROUP {
                continue;
            }
            let Origin { name, namespace, .. } = &origin;
            let key = (namespace.clone(), name.clone());
            let name = if taken.contains(name) { format!("{name}-{namespace}") } else { name.clone() };
            taken.insert(name.clone());
            let listeners = listeners(&origin, &mut made.notes);
            if !listeners.is_empty() {
                let text = format!(
                    "is the MeshGateway `{name}` of the Dataplanes with networking.gateway: {{type: BUILTIN, tags: {{{SERVICE_TAG}: \
                     {name}}}}}, which are yours to write"
                );
                made.notes.push(origin.note("", text));
                made.others.push((origin.clone(), document(&name, &listeners)));
            }
            found.insert(key.clone(), Gateway { name, namespace: key.0, listeners });
        }
        Self(found)
    }

    /// Gateway of a name; `None`: not in the input.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Gateway> {
        self.0.get(&(namespace.to_owned(), name.to_owned()))
    }
}

impl Gateway {
    /// Listeners that take a route of a namespace which names a section or a port, or neither.
    pub(super) fn attached(&self, from: &str, section: Option<&str>, port: Option<u64>) -> Vec<String> {
        let fits = |listener: &&Listener| {
            section.is_none_or(|section| section == listener.name)
                && port.is_none_or(|port| port == listener.port)
                && (listener.takes_all || from == self.namespace)
        };
        self.listeners.iter().filter(fits).map(|listener| listener.name.clone()).collect()
    }
}

/// Listeners of a Gateway that take TCPRoutes.
fn listeners(origin: &Origin<'_>, notes: &mut Vec<Note>) -> Vec<Listener> {
    let spec = origin.spec();
    notes.extend(origin.unknown(spec, "spec", &["gatewayClassName", "listeners"]));
    let mut listeners = Vec::new();
    for (at, listener) in list(spec, "listeners").iter().enumerate() {
        let field = format!("spec.listeners[{at}]");
        let protocol = text(listener, "protocol").unwrap_or_default();
        if protocol != "TCP" {
            let text = format!("a listener of protocol {protocol} takes no TCPRoutes: left out");
            notes.push(origin.note(&field, text));
            continue;
        }
        notes.extend(origin.unknown(listener, &field, &["name", "protocol", "port", "allowedRoutes"]));
        let allowed = listener.get("allowedRoutes").unwrap_or(&Value::Null);
        let kinds = list(allowed, "kinds");
        if !kinds.is_empty() && !kinds.iter().any(|kind| text(kind, "kind") == Some("TCPRoute")) {
            notes.push(origin.note(&format!("{field}.allowedRoutes.kinds"), "takes no TCPRoutes: left out"));
            continue;
        }
        let from = allowed.pointer("/namespaces/from").and_then(Value::as_str).unwrap_or("Same");
        if !matches!(from, "Same" | "All") {
            let text = format!(
                "which namespaces `{from}` lets in is not known here: only routes of its own are taken"
            );
            notes.push(origin.note(&format!("{field}.allowedRoutes.namespaces"), text));
        }
        let name = text(listener, "name").unwrap_or_default().to_owned();
        let port = listener.get("port").and_then(Value::as_u64).unwrap_or_default();
        listeners.push(Listener { name, port, takes_all: from == "All" });
    }
    listeners
}

/// Document of a MeshGateway, without its mesh.
fn document(name: &str, listeners: &[Listener]) -> Value {
    let listeners = listeners.iter().map(|Listener { name, port, takes_all: _ }| {
        json!({ "port": port, "protocol": "TCP", "tags": { LISTENER_TAG: name } })
    });
    json!({
        "type": "MeshGateway",
        "mesh": "",
        "name": name,
        "selectors": [{ "match": { SERVICE_TAG: name } }],
        "conf": { "listeners": listeners.collect::<Vec<_>>() },
    })
}
