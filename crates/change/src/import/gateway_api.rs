//! TCPRoute of the Gateway API.
//!
//! A Service as parent becomes a `to` item, a Gateway as parent a route of its own for the MeshGateway of that name.

use model::draft::Document;
use serde_json::{Value, json};

use super::note::{Note, Origin};
use super::route::{Item, Route, Target, reference};

const GROUP: &str = "gateway.networking.k8s.io";

pub(super) fn import(documents: &[Document]) -> (Vec<Route<'_>>, Vec<Note>) {
    let (mut routes, mut notes) = (Vec::new(), Vec::new());
    for document in documents {
        let origin = Origin::of(document);
        if origin.kind() == "TCPRoute" && origin.group() == GROUP {
            Import { origin, notes: &mut notes }.route(&mut routes);
        } else {
            notes.push(origin.note("", "is no TCPRoute of gateway.networking.k8s.io: left out"));
        }
    }
    (routes, notes)
}

struct Import<'a, 'n> {
    origin: Origin<'a>,
    notes: &'n mut Vec<Note>,
}

impl<'a> Import<'a, '_> {
    fn note(&mut self, field: &str, text: impl Into<String>) {
        self.notes.push(self.origin.note(field, text));
    }

    fn route(&mut self, routes: &mut Vec<Route<'a>>) {
        let spec = self.origin.spec();
        self.unknown(spec, "spec", &["parentRefs", "rules"]);
        let Some(backends) = self.rules(spec) else { return };
        let mut of_services = Vec::new();
        let mut gateways = Vec::new();
        let parents = spec.get("parentRefs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (at, parent) in parents.iter().enumerate() {
            let field = format!("spec.parentRefs[{at}]");
            let (kind, name) =
                (text(parent, "kind").unwrap_or("Gateway"), text(parent, "name").unwrap_or_default());
            self.unknown(parent, &field, &["group", "kind", "name", "namespace", "sectionName", "port"]);
            match kind {
                "Service" => of_services.push(Item { to: self.to(parent, name), backends: backends.clone() }),
                "Gateway" => {
                    if let Some(section) = text(parent, "sectionName") {
                        let hint = format!(
                            "a MeshGateway's listener is chosen by tags, not by the name `{section}`: the route speaks about every \
                             listener; give the listener a tag and add it to spec.targetRef.tags"
                        );
                        self.note(&format!("{field}.sectionName"), hint);
                    }
                    if parent.get("port").is_some() {
                        self.note(
                            &format!("{field}.port"),
                            "a MeshGateway's listener is chosen by tags, not by its port",
                        );
                    }
                    gateways.push(name.to_owned());
                }
                other => self.note(&field, format!("a parent of kind {other} has no counterpart: left out")),
            }
        }
        if parents.is_empty() {
            self.note("spec.parentRefs", "without a parent the route is for nobody: left out");
        }
        let several = !of_services.is_empty() || gateways.len() > 1;
        if !of_services.is_empty() {
            let (origin, suffix) = (self.origin.clone(), String::new());
            routes.push(Route { origin, suffix, target: Target::Mesh, items: of_services });
        }
        for gateway in gateways {
            let items = vec![Item { to: json!({"kind": "Mesh"}), backends: backends.clone() }];
            let suffix = if several { gateway.clone() } else { String::new() };
            routes.push(Route {
                origin: self.origin.clone(),
                suffix,
                target: Target::Gateway(gateway),
                items,
            });
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

    /// The backendRefs of the one rule that counts; `None` when there is none.
    fn rules(&mut self, spec: &Value) -> Option<Vec<Value>> {
        let rules = spec.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for at in 1..rules.len() {
            let text = "a TCPRoute has no matches, so only its first rule is ever reached: left out";
            self.note(&format!("spec.rules[{at}]"), text);
        }
        let rule = rules.first()?;
        self.unknown(rule, "spec.rules[0]", &["name", "backendRefs"]);
        let refs = rule.get("backendRefs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if refs.is_empty() {
            self.note(
                "spec.rules[0].backendRefs",
                "a rule without backends refuses every connection: left out",
            );
            return None;
        }
        let backends: Vec<Value> = refs
            .iter()
            .enumerate()
            .filter_map(|(at, it)| self.backend(&format!("spec.rules[0].backendRefs[{at}]"), it))
            .collect();
        (!backends.is_empty()).then_some(backends)
    }

    fn backend(&mut self, field: &str, backend: &Value) -> Option<Value> {
        self.unknown(backend, field, &["group", "kind", "name", "namespace", "port", "weight"]);
        let name = text(backend, "name").unwrap_or_default();
        let kind = match text(backend, "kind").unwrap_or("Service") {
            "Service" => "MeshService",
            "ServiceImport" => "MeshMultiZoneService",
            other => {
                let weight = backend.get("weight").map_or_else(|| "1".to_owned(), Value::to_string);
                let text = format!(
                    "a backend of kind {other} has no counterpart: left out, so its weight of {weight} falls to the others"
                );
                self.note(field, text);
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

    fn unknown(&mut self, value: &Value, field: &str, known: &[&str]) {
        let members = value.as_object().into_iter().flatten();
        for (key, _) in members.filter(|(key, _)| !known.contains(&key.as_str())) {
            self.note(&format!("{field}.{key}"), "has no counterpart: left out");
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}
