//! The matches of an entry: whom it is for, and on which port.

use std::collections::BTreeMap;

use model::resource::NAMESPACE_LABEL;
use serde_json::Value;

use super::{Import, list, strings};
use crate::import::route::Target;

/// One match of an entry.
pub(super) struct Match {
    /// Whom the entry is for.
    pub(super) target: Target,
    /// The port of the destination.
    pub(super) port: Option<u64>,
    /// Where it stands.
    pub(super) field: String,
}

impl Import<'_, '_> {
    /// The matches of an entry; one that matches everything where it has none. `gateways` are those of the whole
    /// VirtualService; the word `mesh` stands for all sidecars.
    pub(super) fn matches(&mut self, field: &str, entry: &Value, gateways: &[String]) -> Vec<Match> {
        let matches = list(entry.get("match"));
        let fields = (0..matches.len()).map(|at| format!("{field}.match[{at}]"));
        let mut written: Vec<(String, &Value)> = fields.zip(matches).collect();
        if written.is_empty() {
            written.push((field.to_owned(), &Value::Null));
        }
        let mut found = Vec::new();
        for (field, one) in written {
            let mut labels = BTreeMap::new();
            let mut narrower = false;
            for (key, value) in one.as_object().into_iter().flatten() {
                match key.as_str() {
                    "port" | "gateways" => {}
                    "sourceLabels" => labels.extend(
                        value
                            .as_object()
                            .into_iter()
                            .flatten()
                            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))),
                    ),
                    "sourceNamespace" => {
                        labels
                            .extend(value.as_str().map(|name| (NAMESPACE_LABEL.to_owned(), name.to_owned())));
                    }
                    _ => {
                        narrower = true;
                        let text = "connections cannot be told apart by it: this match is left out";
                        self.note(&format!("{field}.{key}"), text);
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
            let mut targets: Vec<Target> = of_gateways.map(Target::Gateway).collect();
            if sidecars {
                targets.insert(0, if labels.is_empty() { Target::Mesh } else { Target::Labels(labels) });
            }
            found.extend(targets.into_iter().map(|target| Match { target, port, field: field.clone() }));
        }
        found
    }
}
