//! Import of VirtualServices of Istio: their `tcp` routes.
//!
//! Istio takes the first entry that matches; here the more specific one wins. An entry that Istio never reaches is left
//! out, so that it does not become effective.

mod destination;
mod matches;

use std::collections::BTreeMap;

use destination::{Host, Subsets};
use matches::Match;
use model::draft::Document;
use model::resource::NAMESPACE_LABEL;
use serde_json::{Value, json};

use super::Made;
use super::note::Origin;
use super::route::{Item, LISTENER_TAG, Route, Target};

/// Limit on the destinations of a route, which are as many as hosts times entries of a VirtualService.
const ITEMS: usize = 5_000;

pub(super) fn import(documents: &[Document]) -> Made<'_> {
    let mut made = Made::default();
    let subsets = Subsets::of(documents, &mut made.notes);
    for document in documents {
        let origin = Origin::of(document);
        match origin.kind() {
            "VirtualService" => {
                let mut import = Import::new(origin, &subsets, &mut made.notes);
                let routes = import.routes();
                if !import.refused {
                    made.routes.extend(routes);
                }
            }
            "DestinationRule" => {}
            _ => made
                .notes
                .push(origin.note("", "is neither a VirtualService nor a DestinationRule: left out")),
        }
    }
    made
}

/// Import of one VirtualService.
type Import<'a, 'n> = super::note::Import<'a, 'n, Subsets>;

impl<'a> Import<'a, '_> {
    fn routes(&mut self) -> Vec<Route<'a>> {
        let spec = self.origin.spec();
        let entries = list(spec.get("tcp"));
        // clients that may be meant besides those of the entries
        let mut clients = BTreeMap::new();
        for (key, value) in spec.as_object().into_iter().flatten() {
            let field = format!("spec.{key}");
            match key.as_str() {
                "hosts" | "gateways" | "tcp" => {}
                "http" => self.note(&field, "HTTP routes are not imported: write a MeshHTTPRoute"),
                "tls" if entries.is_empty() => self.note(
                    &field,
                    "routes by TLS server name are not imported: write a MeshGateway with TLS listeners",
                ),
                "tls" => self.refuse(
                    &field,
                    "routes by TLS server name are not imported, and those of `tcp` would take their connections: import them alone",
                ),
                "exportTo" if *value == json!(["*"]) => {}
                "exportTo" if *value == json!(["."]) => {
                    clients.insert(NAMESPACE_LABEL.to_owned(), or_default(&self.origin.namespace).to_owned());
                }
                "exportTo" => {
                    self.refuse(&field, "a route speaks to proxies of all namespaces, or of its own: `*` or `.`");
                }
                _ => self.note(&field, "has no counterpart: left out"),
            }
        }
        let hosts = self.hosts(spec, entries);
        let gateways = strings(spec.get("gateways"));
        let mut reached: Vec<(Target, Option<u64>)> = Vec::new();
        let mut made: BTreeMap<Target, Vec<Item>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            let field = format!("spec.tcp[{at}]");
            self.unknown(entry, &field, &["match", "route"]);
            let backends = self.backends(&format!("{field}.route"), entry);
            if backends.is_empty() {
                self.note(&field, "without a destination nothing is routed: left out");
                continue;
            }
            for one in self.matches(&field, entry, &gateways, &clients) {
                let Match { target, port, field } = one;
                if reached.iter().any(|(earlier, on)| covers(earlier, *on, &target, port)) {
                    self.note(&field, "is never reached, an earlier entry takes these connections: left out");
                    continue;
                }
                reached.push((target.clone(), port));
                let items = made.entry(target.clone()).or_default();
                match &target {
                    Target::Gateway { name, listener } => {
                        if let Some(listener) = listener {
                            let text = format!(
                                "a MeshGateway's listener is chosen by tags, not by its port: give this one the tag \
                                 {LISTENER_TAG}={listener} in the MeshGateway `{name}`"
                            );
                            self.note(&format!("{field}.port"), text);
                        }
                        items.push(Item { to: json!({"kind": "Mesh"}), backends: backends.clone() });
                    }
                    Target::Mesh | Target::Labels(_) => {
                        if items.len() + hosts.len() > ITEMS {
                            let text = format!(
                                "a route of more than {ITEMS} destinations: one for each of its hosts in each entry; divide it"
                            );
                            self.refuse(&field, text);
                            return Vec::new();
                        }
                        items.extend(
                            hosts
                                .iter()
                                .map(|host| Item { to: host.target(port), backends: backends.clone() }),
                        );
                    }
                }
            }
        }
        let mut routes = Vec::new();
        for (place, (target, items)) in made.into_iter().filter(|(_, items)| !items.is_empty()).enumerate() {
            let suffix = match &target {
                _ if place == 0 => String::new(),
                Target::Gateway { name, listener: None } => name.clone(),
                Target::Gateway { name, listener: Some(listener) } => format!("{name}-{listener}"),
                Target::Mesh | Target::Labels(_) => format!("{}", place + 1),
            };
            routes.push(Route { origin: self.origin.clone(), suffix, target, items });
        }
        routes
    }

    /// Hosts that sidecars dial; for gateways they do not matter.
    fn hosts(&mut self, spec: &Value, entries: &[Value]) -> Vec<Host> {
        let mut hosts: Vec<Host> = Vec::new();
        let gateways = strings(spec.get("gateways"));
        let of_gateways = |names: &[String]| !names.is_empty() && names.iter().all(|name| name != "mesh");
        let in_matches = entries.iter().flat_map(|entry| list(entry.get("match")));
        let mut in_matches = in_matches.map(|one| strings(one.get("gateways")));
        if of_gateways(&gateways) && in_matches.all(|own| own.is_empty() || of_gateways(&own)) {
            return hosts;
        }
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

/// Returns `true` if every connection of the later entry would have been taken by the earlier one.
fn covers(earlier: &Target, earlier_port: Option<u64>, later: &Target, later_port: Option<u64>) -> bool {
    let target = match (earlier, later) {
        (Target::Mesh, Target::Mesh | Target::Labels(_)) => true,
        (Target::Labels(few), Target::Labels(many)) => {
            few.iter().all(|(key, value)| many.get(key) == Some(value))
        }
        (Target::Gateway { name, listener }, Target::Gateway { name: later, listener: theirs }) => {
            return name == later && (listener.is_none() || listener == theirs);
        }
        (Target::Labels(_), Target::Mesh) | (Target::Gateway { .. }, _) | (_, Target::Gateway { .. }) => {
            false
        }
    };
    target && (earlier_port.is_none() || earlier_port == later_port)
}

/// Namespace of a document, or the default one.
fn or_default(namespace: &str) -> &str {
    if namespace.is_empty() { "default" } else { namespace }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn strings(value: Option<&Value>) -> Vec<String> {
    list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
