//! Proxies whose configuration would change, listener by listener.

use std::collections::BTreeMap;

use plan::ProxyId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xds::Family;

use super::live::{Affected, OpenConnections};
use crate::compile::{Compiled, ProxyChange, ProxyChangeKind, Row, changes};

/// Change of one proxy's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyPreview {
    /// Proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// Only dialect in which the configuration would change, `envoy` or `l4`; `None`: both.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub only_for: Option<Family>,
    /// New notes about features that the dialect cannot express as asked, with the dialect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Changes, one line each.
    pub changes: Vec<String>,
    /// Listeners that would be added, removed, or send connections elsewhere.
    pub listeners: Vec<ListenerChange>,
}

/// Change of one listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerChange {
    /// Title of the listener in messages: `outbound redis`.
    pub title: String,
    /// Previous row; `None`: the listener is added.
    pub before: Option<Row>,
    /// New row; `None`: the listener is removed.
    pub after: Option<Row>,
    /// Effect on its open connections; `None`: none are known.
    pub connections: Option<Affected>,
}

/// Proxies whose configuration differs between two states, by mesh and name.
pub(super) fn changed(before: &Compiled, after: &Compiled, live: &OpenConnections) -> Vec<ProxyPreview> {
    let mut found: BTreeMap<ProxyId, ProxyPreview> = BTreeMap::new();
    for change in changes(before, after, |_| None) {
        let words = change.words().to_string();
        let ProxyChange { proxy, what, only } = change;
        let entry = found.entry(proxy.clone()).or_insert_with(|| ProxyPreview {
            proxy: proxy.clone(),
            only_for: only,
            notes: new_notes(before, after, &proxy),
            changes: Vec::new(),
            listeners: Vec::new(),
        });
        entry.changes.push(words);
        let (old, new) = match what {
            ProxyChangeKind::ListenerAdded(row) => (None, Some(row)),
            ProxyChangeKind::ListenerRemoved(row) => (Some(row), None),
            ProxyChangeKind::Split { before, after } => (Some(before), Some(after)),
            ProxyChangeKind::ProxyAdded { .. }
            | ProxyChangeKind::ProxyRemoved
            | ProxyChangeKind::Endpoints { .. } => continue,
            ProxyChangeKind::MeshTls { .. } | ProxyChangeKind::Settings => continue,
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
