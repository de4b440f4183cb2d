//! Import of TCPRoutes of the Gateway API.
//!
//! A Service as parent becomes a `to` item, a Gateway as parent a separate route for the MeshGateway of that name, and
//! for those of its listeners that the parent names.

mod gateway;

use std::collections::BTreeMap;

use gateway::Gateways;
use model::draft::Document;
use model::resource::NAMESPACE_LABEL;
use serde_json::{Value, json};

use super::Made;
use super::note::{Import, Origin};
use super::route::{Item, LISTENER_TAG, Route, Target, reference};

const GROUP: &str = "gateway.networking.k8s.io";

pub(super) fn import(documents: &[Document]) -> Made<'_> {
    let mut made = Made::default();
    let gateways = Gateways::of(documents, &mut made);
    for document in documents {
        let origin = Origin::of(document);
        match (origin.kind(), origin.group()) {
            ("TCPRoute", GROUP) => {
                let mut import = Import::new(origin, &gateways, &mut made.notes);
                let routes = import.routes();
                if !import.refused {
                    made.routes.extend(routes);
                }
            }
            ("Gateway", GROUP) => {}
            _ => made.notes.push(
                origin.note("", "is no TCPRoute and no Gateway of gateway.networking.k8s.io: left out"),
            ),
        }
    }
    made
}

impl<'a> Import<'a, '_, Gateways> {
    fn routes(&mut self) -> Vec<Route<'a>> {
        let spec = self.origin.spec();
        self.unknown(spec, "spec", &["parentRefs", "rules"]);
        let Some(backends) = self.rules(spec) else { return Vec::new() };
        let mut of_services: BTreeMap<Target, Vec<Item>> = BTreeMap::new();
        let mut of_gateways = Vec::new();
        let parents = list(spec, "parentRefs");
        for (at, parent) in parents.iter().enumerate() {
            let field = format!("spec.parentRefs[{at}]");
            let known = ["group", "kind", "name", "namespace", "sectionName", "port"];
            self.unknown(parent, &field, &known);
            let (kind, name) =
                (text(parent, "kind").unwrap_or("Gateway"), text(parent, "name").unwrap_or_default());
            match (kind, text(parent, "group").unwrap_or(if kind == "Service" { "" } else { GROUP })) {
                ("Service", "" | "core") => {
                    let item = Item { to: self.to(parent, name), backends: backends.clone() };
                    of_services.entry(self.clients(parent)).or_default().push(item);
                }
                ("Gateway", GROUP) => of_gateways.extend(self.listeners(&field, parent, name)),
                (other, _) => {
                    self.note(&field, format!("a parent of kind {other} has no counterpart: left out"))
                }
            }
        }
        if parents.is_empty() {
            self.note("spec.parentRefs", "without a parent the route is for nobody: left out");
        }
        of_gateways.sort();
        of_gateways.dedup();
        let several = of_services.len() + of_gateways.len() > 1;
        let mut routes: Vec<Route<'a>> = Vec::new();
        for (target, items) in of_services {
            let suffix = if routes.is_empty() { String::new() } else { "clients".to_owned() };
            routes.push(Route { origin: self.origin.clone(), suffix, target, items });
        }
        for target in of_gateways {
            let suffix = match &target {
                Target::Gateway { name, listener } if several => [Some(name.as_str()), listener.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("-"),
                _ => String::new(),
            };
            let items = vec![Item { to: json!({"kind": "Mesh"}), backends: backends.clone() }];
            routes.push(Route { origin: self.origin.clone(), suffix, target, items });
        }
        routes
    }

    /// Clients whose connections to a Service a route takes: for a Service in another namespace, those in its own
    /// namespace.
    fn clients(&self, parent: &Value) -> Target {
        let own = &self.origin.namespace;
        match text(parent, "namespace") {
            Some(other) if other != own && !own.is_empty() => {
                Target::Labels([(NAMESPACE_LABEL.to_owned(), own.clone())].into())
            }
            _ => Target::Mesh,
        }
    }

    /// Listeners of a Gateway that a parent names.
    fn listeners(&mut self, field: &str, parent: &Value, gateway: &str) -> Vec<Target> {
        let namespace = text(parent, "namespace").unwrap_or(&self.origin.namespace).to_owned();
        let (section, port) = (text(parent, "sectionName"), parent.get("port").and_then(Value::as_u64));
        let target = |listener| Target::Gateway { name: gateway.to_owned(), listener };
        if let Some(known) = self.known.get(&namespace, gateway) {
            let attached = known.attached(&self.origin.namespace, section, port);
            if attached.is_empty() {
                self.note(field, "no TCP listener of the Gateway takes this route: left out");
            }
            let name = &known.name;
            let target = |listener| Target::Gateway { name: name.clone(), listener: Some(listener) };
            return attached.into_iter().map(target).collect();
        }
        if port.is_some() {
            let text = "which listener has this port stands in the Gateway: give it, too (`kubectl get gateways,tcproutes`)";
            self.refuse(&format!("{field}.port"), text);
            return Vec::new();
        }
        match section {
            None => vec![target(None)],
            Some(section) => {
                let text = format!(
                    "a MeshGateway's listeners have no names: give this one the tag {LISTENER_TAG}={section} in the MeshGateway \
                     `{gateway}`, or give the Gateway, too"
                );
                self.note(&format!("{field}.sectionName"), text);
                vec![target(Some(section.to_owned()))]
            }
        }
    }

    fn to(&self, parent: &Value, name: &str) -> Value {
        let namespace = text(parent, "namespace").unwrap_or(&self.origin.namespace);
        let mut to = reference("MeshService", name, namespace);
        let port = parent.get("port").map(Value::to_string);
        if let Some(section) = text(parent, "sectionName").map(str::to_owned).or(port) {
            to.insert("sectionName".into(), section.into());
        }
        to.into()
    }

    /// BackendRefs of the single effective rule; `None`: there is none.
    fn rules(&mut self, spec: &Value) -> Option<Vec<Value>> {
        let rules = list(spec, "rules");
        for at in 1..rules.len() {
            let text = "a TCPRoute has no matches, so only its first rule is ever reached: left out";
            self.note(&format!("spec.rules[{at}]"), text);
        }
        let Some(rule) = rules.first() else {
            self.note("spec.rules", "without a rule nothing is routed: left out");
            return None;
        };
        self.unknown(rule, "spec.rules[0]", &["name", "backendRefs"]);
        let refs = list(rule, "backendRefs");
        if refs.is_empty() {
            let text = "a rule without backends refuses every connection, which no route here can say";
            self.refuse("spec.rules[0].backendRefs", text);
            return None;
        }
        let backend =
            |(at, it): (usize, &Value)| self.backend(&format!("spec.rules[0].backendRefs[{at}]"), it);
        Some(refs.iter().enumerate().filter_map(backend).collect())
    }

    fn backend(&mut self, field: &str, backend: &Value) -> Option<Value> {
        let known = ["group", "kind", "name", "namespace", "port", "weight"];
        self.unknown(backend, field, &known);
        let name = text(backend, "name").unwrap_or_default();
        let kind = match text(backend, "kind").unwrap_or("Service") {
            "Service" => "MeshService",
            "ServiceImport" => "MeshMultiZoneService",
            other => {
                let weight = backend.get("weight").map_or_else(|| "1".to_owned(), Value::to_string);
                let text = format!(
                    "a backend of kind {other} has no counterpart, and without it its weight of {weight} would fall to the others"
                );
                self.refuse(field, text);
                return None;
            }
        };
        let namespace = text(backend, "namespace").unwrap_or(&self.origin.namespace).to_owned();
        if namespace != self.origin.namespace {
            let text = "needs no ReferenceGrant here: a route may name every service of its mesh";
            self.note(&format!("{field}.namespace"), text);
        }
        let mut made = reference(kind, name, &namespace);
        for key in ["port", "weight"] {
            if let Some(value) = backend.get(key) {
                made.insert(key.into(), value.clone());
            }
        }
        Some(made.into())
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
