//! VirtualService of Istio: its `tcp` routes.
//!
//! Istio takes the first entry that matches; here the more specific one wins. An entry that Istio never reaches is left
//! out, so that it does not come to life.

mod destination;
mod matches;

use std::collections::BTreeMap;

use destination::{Host, Subsets};
use matches::Match;
use model::draft::Document;
use serde_json::{Value, json};

use super::note::{Note, Origin};
use super::route::{Item, Route, Target};

pub(super) fn import(documents: &[Document]) -> (Vec<Route<'_>>, Vec<Note>) {
    let (mut routes, mut notes) = (Vec::new(), Vec::new());
    let subsets = Subsets::of(documents, &mut notes);
    for document in documents {
        let origin = Origin::of(document);
        match origin.kind() {
            "VirtualService" => Import { origin, subsets: &subsets, notes: &mut notes }.routes(&mut routes),
            "DestinationRule" => {}
            _ => notes.push(origin.note("", "is neither a VirtualService nor a DestinationRule: left out")),
        }
    }
    (routes, notes)
}

/// What is imported of one VirtualService.
struct Import<'a, 'n> {
    origin: Origin<'a>,
    subsets: &'n Subsets,
    notes: &'n mut Vec<Note>,
}

impl<'a> Import<'a, '_> {
    fn note(&mut self, field: &str, text: impl Into<String>) {
        self.notes.push(self.origin.note(field, text));
    }

    fn routes(&mut self, routes: &mut Vec<Route<'a>>) {
        let spec = self.origin.spec();
        for (key, value) in spec.as_object().into_iter().flatten() {
            let field = format!("spec.{key}");
            match key.as_str() {
                "hosts" | "gateways" | "tcp" => {}
                "http" => self.note(&field, "HTTP routes are not imported: write a MeshHTTPRoute"),
                "tls" => self.note(
                    &field,
                    "routes by TLS server name are not imported: write a MeshGateway with TLS listeners",
                ),
                "exportTo" if *value == json!(["*"]) => {}
                "exportTo" => {
                    self.note(&field, "a route speaks to every proxy that it selects, in all namespaces")
                }
                _ => self.note(&field, "has no counterpart: left out"),
            }
        }
        let hosts = self.hosts(spec);
        let gateways = strings(spec.get("gateways"));
        let mut reached: Vec<(Target, Option<u64>)> = Vec::new();
        let mut made: BTreeMap<Target, Vec<Item>> = BTreeMap::new();
        for (at, entry) in list(spec.get("tcp")).iter().enumerate() {
            let field = format!("spec.tcp[{at}]");
            let backends = self.backends(&format!("{field}.route"), entry);
            if backends.is_empty() {
                self.note(&field, "without a destination nothing is routed: left out");
                continue;
            }
            for one in self.matches(&field, entry, &gateways) {
                let Match { target, port, field } = one;
                if matches!(target, Target::Gateway(_))
                    && reached.iter().any(|(earlier, _)| *earlier == target)
                {
                    let text =
                        "a gateway gets one split for all its ports here, that of an earlier entry: left out";
                    self.note(&field, text);
                    continue;
                }
                if reached.iter().any(|(earlier, on)| covers(earlier, *on, &target, port)) {
                    self.note(&field, "is never reached, an earlier entry takes these connections: left out");
                    continue;
                }
                reached.push((target.clone(), port));
                let items = made.entry(target.clone()).or_default();
                match &target {
                    Target::Gateway(_) => {
                        if port.is_some() {
                            self.note(
                                &format!("{field}.port"),
                                "a MeshGateway's listener is chosen by tags, not by its port",
                            );
                        }
                        items.push(Item { to: json!({"kind": "Mesh"}), backends: backends.clone() });
                    }
                    Target::Mesh | Target::Labels(_) => {
                        items.extend(
                            hosts
                                .iter()
                                .map(|host| Item { to: host.target(port), backends: backends.clone() }),
                        );
                    }
                }
            }
        }
        for (place, (target, items)) in made.into_iter().filter(|(_, items)| !items.is_empty()).enumerate() {
            let suffix = match &target {
                _ if place == 0 => String::new(),
                Target::Gateway(name) => name.clone(),
                Target::Mesh | Target::Labels(_) => format!("{}", place + 1),
            };
            routes.push(Route { origin: self.origin.clone(), suffix, target, items });
        }
    }

    fn hosts(&mut self, spec: &Value) -> Vec<Host> {
        let mut hosts: Vec<Host> = Vec::new();
        for (at, text) in strings(spec.get("hosts")).iter().enumerate() {
            let field = format!("spec.hosts[{at}]");
            match Host::read(text, &self.origin.namespace) {
                Some(host) if hosts.contains(&host) => {}
                Some(host) => {
                    if let Some(hint) = host.hint() {
                        self.note(&field, hint);
                    }
                    hosts.push(host);
                }
                None => self.note(
                    &field,
                    format!("`{text}` stands for many hosts: name each destination in a route of its own"),
                ),
            }
        }
        hosts
    }
}

/// Whether connections that reach the later entry would all have been taken by the earlier one.
fn covers(earlier: &Target, earlier_port: Option<u64>, later: &Target, later_port: Option<u64>) -> bool {
    let target = match (earlier, later) {
        (Target::Mesh, Target::Mesh | Target::Labels(_)) => true,
        (Target::Labels(few), Target::Labels(many)) => {
            few.iter().all(|(key, value)| many.get(key) == Some(value))
        }
        (Target::Labels(_), Target::Mesh) | (Target::Gateway(_), _) | (_, Target::Gateway(_)) => false,
    };
    target && (earlier_port.is_none() || earlier_port == later_port)
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
