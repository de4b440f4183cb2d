//! Destinations: hosts, and the subsets of them that DestinationRules define.

use std::collections::BTreeMap;

use model::draft::Document;
use serde_json::{Map, Value, json};

use super::{Import, list};
use crate::import::note::{Note, Origin};
use crate::import::route::reference;

/// A host, by what it is here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    /// A service of the cluster.
    Service { name: String, namespace: String },
    /// A host outside.
    External(String),
}

impl Host {
    /// Reads a host as Istio does: a short name belongs to the namespace of the document. `None`: it is a pattern.
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

    /// What somebody has to write before it can be dialled.
    pub(super) fn hint(&self) -> Option<String> {
        let Self::External(host) = self else { return None };
        Some(format!(
            "{host} is outside the mesh: write a MeshExternalService `{}` for it",
            external_name(host)
        ))
    }

    fn reference(&self) -> Map<String, Value> {
        match self {
            Self::Service { name, namespace } => reference("MeshService", name, namespace),
            Self::External(host) => reference("MeshExternalService", &external_name(host), ""),
        }
    }

    /// As whom a route is about.
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

/// The labels of subsets, by host and name of the subset.
pub(super) struct Subsets(BTreeMap<(Host, String), Value>);

impl Subsets {
    /// What the DestinationRules among the documents define; what else they say has its notes.
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
                if subset.get("trafficPolicy").is_some() {
                    let field = format!("spec.subsets[{at}].trafficPolicy");
                    notes.push(origin.note(&field, "is not imported"));
                }
                let name = subset.get("name").and_then(Value::as_str).unwrap_or_default();
                let labels = subset.get("labels").cloned().unwrap_or_else(|| json!({}));
                found.insert((host.clone(), name.to_owned()), labels);
            }
        }
        Self(found)
    }
}

impl Import<'_, '_> {
    /// The backendRefs of an entry. Where there are several destinations, one without a weight gets nothing, as in Istio.
    pub(super) fn backends(&mut self, field: &str, entry: &Value) -> Vec<Value> {
        let routes = list(entry.get("route"));
        let mut backends = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            let field = format!("{field}[{at}]");
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
        let destination = route.get("destination")?;
        let text = destination.get("host").and_then(Value::as_str).unwrap_or_default();
        let Some(host) = Host::read(text, &self.origin.namespace) else {
            self.note(field, "names no single host: left out, so its weight falls to the others");
            return None;
        };
        if let Some(hint) = host.hint() {
            self.note(field, hint);
        }
        let port = destination.pointer("/port/number").cloned();
        let subset = destination.get("subset").and_then(Value::as_str);
        let (Some(subset), Host::Service { name, .. }) = (subset, &host) else {
            let mut backend = host.reference();
            if let (Some(port), Host::Service { .. }) = (port, &host) {
                backend.insert("port".into(), port);
            }
            return Some(backend);
        };
        let tags = match self.subsets.0.get(&(host.clone(), subset.to_owned())) {
            Some(labels) => labels.clone(),
            None => {
                let hint = format!(
                    "no DestinationRule that was given defines the subset `{subset}`: taken for the tag version={subset}"
                );
                self.note(&format!("{field}.subset"), hint);
                json!({"version": subset})
            }
        };
        let mut backend = reference("MeshServiceSubset", name, "");
        backend.insert("tags".into(), tags);
        Some(backend)
    }
}
