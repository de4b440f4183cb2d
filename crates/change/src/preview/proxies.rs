//! Which proxies would be told something else, listener by listener.

use std::collections::BTreeMap;

use plan::ProxyId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xds::Family;

use super::live::{Affected, Live};
use crate::compile::{Change, Compiled, Row, What, changes};

/// One proxy that would be told something else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyPreview {
    /// The proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// The only dialect in which it would be told something else, `envoy` or `l4`; `None`: in both.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub only_for: Option<Family>,
    /// What could not be said to it as asked and is not so now, with the dialect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What would change, a line each.
    pub changes: Vec<String>,
    /// The listeners that would come, go, or send connections elsewhere.
    pub listeners: Vec<ListenerChange>,
}

/// One listener that would come, go, or send connections elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerChange {
    /// How messages call it: `outbound redis`.
    pub title: String,
    /// As it is; `None`: it comes.
    pub before: Option<Row>,
    /// As it would be; `None`: it goes.
    pub after: Option<Row>,
    /// What becomes of its open connections; `None` when nobody knows of any.
    pub connections: Option<Affected>,
}

/// The proxies that two states tell different things, by mesh and name.
pub(super) fn changed(before: &Compiled, after: &Compiled, live: &Live) -> Vec<ProxyPreview> {
    let mut found: BTreeMap<ProxyId, ProxyPreview> = BTreeMap::new();
    for change in changes(before, after, |_| None) {
        let words = change.words().to_string();
        let Change { proxy, what, only } = change;
        let entry = found.entry(proxy.clone()).or_insert_with(|| ProxyPreview {
            proxy: proxy.clone(),
            only_for: only,
            notes: new_notes(before, after, &proxy),
            changes: Vec::new(),
            listeners: Vec::new(),
        });
        entry.changes.push(words);
        let (old, new) = match what {
            What::ListenerAdded(row) => (None, Some(row)),
            What::ListenerRemoved(row) => (Some(row), None),
            What::Split { before, after } => (Some(before), Some(after)),
            What::ProxyAdded { .. } | What::ProxyRemoved | What::Endpoints { .. } => continue,
            What::MeshTls { .. } | What::Settings => continue,
        };
        let Some(row) = new.as_ref().or(old.as_ref()) else { continue };
        let connections = live.get(&(proxy.clone(), row.listener.clone())).map(|live| {
            let [before, after] =
                [before, after].map(|compiled| compiled.proxies.get(&proxy)?.carried(&proxy, &row.listener));
            Affected::of(before.as_deref(), after.as_deref(), live)
        });
        entry.listeners.push(ListenerChange { title: row.title(), before: old, after: new, connections });
    }
    found.into_values().collect()
}

fn new_notes(before: &Compiled, after: &Compiled, proxy: &ProxyId) -> Vec<String> {
    let notes = |compiled: &Compiled| -> Vec<String> {
        let told = compiled.proxies.get(proxy).map(|found| &found.told);
        told.into_iter()
            .flat_map(|told| [Family::L4, Family::Envoy].map(|it| told.notes(it)))
            .flatten()
            .collect()
    };
    let known = notes(before);
    notes(after).into_iter().filter(|note| !known.contains(note)).collect()
}
