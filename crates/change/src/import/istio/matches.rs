//! Matches of an entry: its clients, and its port.

use std::collections::BTreeMap;

use model::resource::NAMESPACE_LABEL;
use serde_json::Value;

use super::{Import, list, strings};
use crate::import::route::Target;

/// Match of an entry.
pub(super) struct Match {
    /// Clients that the entry is for.
    pub(super) target: Target,
    /// Port of the destination.
    pub(super) port: Option<u64>,
    /// Field of the match in the document.
    pub(super) field: String,
}

impl Import<'_, '_> {
    /// Matches of an entry; without any, one that matches everything. `gateways` are those of the whole VirtualService;
    /// the word `mesh` stands for all sidecars.
    ///
    /// `clients`: the labels that all intended sidecars must have.
    pub(super) fn matches(
        &mut self,
        field: &str,
        entry: &Value,
        gateways: &[String],
        clients: &BTreeMap<String, String>,
    ) -> Vec<Match> {
        let matches = list(entry.get("match"));
        let fields = (0..matches.len()).map(|at| format!("{field}.match[{at}]"));
        let mut written: Vec<(String, &Value)> = fields.zip(matches).collect();
        if written.is_empty() {
            written.push((field.to_owned(), &Value::Null));
        }
        let mut found = Vec::new();
        for (field, one) in written {
            let mut labels = BTreeMap::new();
            let mut of_clients = false;
            let mut narrower = false;
            for (key, value) in one.as_object().into_iter().flatten() {
                match key.as_str() {
                    "port" | "gateways" => {}
                    "sourceLabels" => {
                        of_clients = true;
                        labels.extend(
                            value
                                .as_object()
                                .into_iter()
                                .flatten()
                                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))),
                        );
                    }
                    "sourceNamespace" => {
                        of_clients = true;
                        labels
                            .extend(value.as_str().map(|name| (NAMESPACE_LABEL.to_owned(), name.to_owned())));
                    }
                    _ => {
                        narrower = true;
                        let text = "connections cannot be told apart by it, and without it other entries would take them";
                        self.refuse(&format!("{field}.{key}"), text);
                    }
                }
            }
            if narrower {
                continue;
            }
            let port = one.get("port").and_then(Value::as_u64);
            let own = strings(one.get("gateways"));
            let wanted = if own.is_empty() { gateways } else { own.as_slice() };
            let sidecars = wanted.is_empty() || wanted.iter().any(|name| name == "mesh");
            let of_gateways = wanted.iter().filter(|name| *name != "mesh");
            let of_gateways = of_gateways.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned());
            let listener = port.map(|port| format!("port-{port}"));
            let gateway = |name| Target::Gateway { name, listener: listener.clone() };
            let mut targets: Vec<Target> = of_gateways.map(gateway).collect();
            if of_clients && !targets.is_empty() {
                let text = "a gateway's route cannot look at who its clients are: it is for sidecars alone";
                self.note(&field, text);
                targets.clear();
            }
            if sidecars {
                for (key, value) in clients {
                    if labels.insert(key.clone(), value.clone()).is_some_and(|other| other != *value) {
                        self.refuse(
                            &field,
                            "is for clients of another namespace than `exportTo` lets it be seen in",
                        );
                    }
                }
                targets.insert(0, if labels.is_empty() { Target::Mesh } else { Target::Labels(labels) });
            }
            found.extend(targets.into_iter().map(|target| Match { target, port, field: field.clone() }));
        }
        found
    }
}
