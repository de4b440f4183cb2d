//! Destinations: hosts, and their subsets from DestinationRules.

use std::collections::BTreeMap;

use model::draft::Document;
use model::reference::SERVICE_TAG;
use serde_json::{Map, Value, json};

use super::{Import, list, or_default};
use crate::import::note::{Note, Origin};
use crate::import::route::reference;

/// Host, by its counterpart in the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    /// Service of the cluster.
    Service { name: String, namespace: String },
    /// Host outside the mesh.
    External(String),
}

impl Host {
    /// Parses a host as Istio does: a short name belongs to the namespace of the document. `None`: it is a pattern.
    pub(super) fn read(text: &str, namespace: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let service =
            |name: &str, namespace: &str| Self::Service { name: name.into(), namespace: namespace.into() };
        match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
            _ if text.is_empty() || text.contains('*') => None,
            (name, None, _) => Some(service(name, namespace)),
            (name, Some(namespace), None | Some("svc")) => Some(service(name, namespace)),
            _ => Some(Self::External(text.to_owned())),
        }
    }

    /// Resource that has to be written before the host can be dialled.
    pub(super) fn hint(&self) -> Option<String> {
        let Self::External(host) = self else { return None };
        Some(format!(
            "{host} is outside the mesh: write a MeshExternalService `{}` for it",
            external_name(host)
        ))
    }

    /// Same host with the default namespace filled in.
    fn placed(&self) -> Self {
        match self {
            Self::Service { name, namespace } => {
                Self::Service { name: name.clone(), namespace: or_default(namespace).to_owned() }
            }
            Self::External(host) => Self::External(host.clone()),
        }
    }

    fn reference(&self) -> Map<String, Value> {
        match self {
            Self::Service { name, namespace } => reference("MeshService", name, namespace),
            Self::External(host) => reference("MeshExternalService", &external_name(host), ""),
        }
    }

    /// Target of a route for the host.
    pub(super) fn target(&self, port: Option<u64>) -> Value {
        let mut target = self.reference();
        if let (Some(port), Self::Service { .. }) = (port, self) {
            target.insert("sectionName".into(), port.to_string().into());
        }
        target.into()
    }
}

fn external_name(host: &str) -> String {
    host.to_lowercase().replace('.', "-")
}

/// Labels of subsets, by host and name of the subset.
pub(super) struct Subsets(BTreeMap<(Host, String), Value>);

impl Subsets {
    /// Collects the subsets of the DestinationRules among the documents; other settings get notes.
    pub(super) fn of(documents: &[Document], notes: &mut Vec<Note>) -> Self {
        let mut found = BTreeMap::new();
        for origin in documents.iter().map(Origin::of).filter(|origin| origin.kind() == "DestinationRule") {
            let spec = origin.spec();
            let host = spec.get("host").and_then(Value::as_str).unwrap_or_default();
            let Some(host) = Host::read(host, &origin.namespace) else {
                notes.push(origin.note("spec.host", "stands for many hosts: left out"));
                continue;
            };
            let others = spec
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| !["host", "subsets"].contains(&key.as_str()));
            for (key, _) in others {
                let text =
                    "is not imported: see MeshTimeout, MeshCircuitBreaker and MeshLoadBalancingStrategy";
                notes.push(origin.note(&format!("spec.{key}"), text));
            }
            for (at, subset) in list(spec.get("subsets")).iter().enumerate() {
                let members = subset.as_object().into_iter().flatten();
                for (key, _) in
                    members.filter(|(key, _)| !["name", "labels", "trafficPolicy"].contains(&key.as_str()))
                {
                    notes.push(
                        origin.note(&format!("spec.subsets[{at}].{key}"), "has no counterpart: left out"),
                    );
                }
                if subset.get("trafficPolicy").is_some() {
                    let field = format!("spec.subsets[{at}].trafficPolicy");
                    notes.push(origin.note(&field, "is not imported"));
                }
                let name = subset.get("name").and_then(Value::as_str).unwrap_or_default();
                let labels = subset.get("labels").cloned().unwrap_or_else(|| json!({}));
                found.insert((host.placed(), name.to_owned()), labels);
            }
        }
        Self(found)
    }
}

impl Import<'_, '_> {
    /// BackendRefs of an entry. If there are several destinations, one without a weight gets nothing, as in Istio.
    pub(super) fn backends(&mut self, field: &str, entry: &Value) -> Vec<Value> {
        let routes = list(entry.get("route"));
        let mut backends = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            let field = format!("{field}[{at}]");
            self.unknown(route, &field, &["destination", "weight"]);
            let Some(mut backend) = self.backend(&format!("{field}.destination"), route) else { continue };
            match route.get("weight") {
                Some(weight) => {
                    backend.insert("weight".into(), weight.clone());
                }
                None if routes.len() > 1 => {
                    backend.insert("weight".into(), 0.into());
                }
                None => {}
            }
            backends.push(backend.into());
        }
        backends
    }

    fn backend(&mut self, field: &str, route: &Value) -> Option<Map<String, Value>> {
        let Some(destination) = route.get("destination") else {
            self.refuse(field, "is missing: where these connections go is not known");
            return None;
        };
        self.unknown(destination, field, &["host", "subset", "port"]);
        let text = destination.get("host").and_then(Value::as_str).unwrap_or_default();
        let Some(host) = Host::read(text, &self.origin.namespace) else {
            self.refuse(field, "names no single host, and without it its weight would fall to the others");
            return None;
        };
        if let Some(hint) = host.hint() {
            self.note(field, hint);
        }
        let port = destination.pointer("/port/number").cloned();
        let subset = destination.get("subset").and_then(Value::as_str);
        let (Some(subset), Host::Service { name, namespace }) = (subset, &host) else {
            let mut backend = host.reference();
            match (port, &host) {
                (Some(port), Host::Service { .. }) => drop(backend.insert("port".into(), port)),
                (Some(port), Host::External(_)) => {
                    let text = format!("the port stands in the MeshExternalService: {port}");
                    self.note(&format!("{field}.port"), text);
                }
                (None, _) => {}
            }
            if let Some(subset) = subset {
                self.refuse(
                    &format!("{field}.subset"),
                    format!("{subset}: a host outside the mesh has no subsets here"),
                );
            }
            return Some(backend);
        };
        let Some(tags) = self.known.0.get(&(host.placed(), subset.to_owned())).cloned() else {
            let text =
                format!("no DestinationRule that was given defines the subset `{subset}`: give it, too");
            self.refuse(&format!("{field}.subset"), text);
            return None;
        };
        let (service, text) = match (namespace.as_str(), port) {
            ("", _) => (
                name.clone(),
                format!("a subset is chosen by tags, of {SERVICE_TAG} `{name}` on whichever port it has"),
            ),
            (namespace, Some(port)) => {
                let service = format!("{name}_{namespace}_svc_{port}");
                let text =
                    format!("a subset is chosen by tags: `{service}` is what {SERVICE_TAG} is in Kubernetes");
                (service, text)
            }
            (namespace, None) => {
                let text = format!(
                    "a subset is chosen by tags, of {SERVICE_TAG} `{name}`: in Kubernetes write `{name}_{namespace}_svc_PORT`"
                );
                (name.clone(), text)
            }
        };
        self.note(&format!("{field}.subset"), text);
        let mut backend = reference("MeshServiceSubset", &service, "");
        backend.insert("tags".into(), tags);
        Some(backend)
    }
}
