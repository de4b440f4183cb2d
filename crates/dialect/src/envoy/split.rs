//! Splits, in either layout.

mod one_cluster;
mod together;
mod unsaid;

use std::collections::{BTreeMap, BTreeSet};

use plan::{Backend, BackendFate, ConnectionSettings, SplitSettings, Sticky};
use serde_json::Value;

use super::destinations::Destinations;
use super::{EnvoyResources, Note, SplitLayout, cluster};

/// Cluster that a refused share is sent to. It does not exist, so Envoy closes the connection (spec 04 §12.2).
pub(super) const REFUSED: &str = "kuma.io/unresolved-backend";

/// Forwarding of a listener's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    /// Target of the connections.
    pub(super) to: Target,
    /// `true`: some load balancer behind it hashes the client's address.
    pub(super) by_client: bool,
}

/// Target of a listener's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// None: they are closed.
    Nowhere,
    /// One cluster.
    Cluster(String),
    /// Clusters by weight.
    Weighted(Vec<(String, u32)>),
}

/// Splits of a plan, and the clusters that they need.
pub(super) struct Splits<'a> {
    destinations: Destinations<'a>,
    layout: SplitLayout,
    used: BTreeSet<String>,
    combined: BTreeMap<String, (Value, Value)>,
    notes: Vec<Note>,
}

impl<'a> Splits<'a> {
    pub(super) fn new(destinations: Destinations<'a>, layout: SplitLayout) -> Self {
        Self { destinations, layout, used: BTreeSet::new(), combined: BTreeMap::new(), notes: Vec::new() }
    }

    /// Converts one split; `name` is unique among splits, and stays when the split changes.
    pub(super) fn forward(
        &mut self,
        listener: &str,
        name: &str,
        split: &[Backend],
        declared: &SplitSettings,
        settings: &ConnectionSettings,
    ) -> Forward {
        let to = self.target(listener, name, split, declared, settings);
        let sticks = declared.sticky.as_ref().is_some_and(|sticky| sticky.value == Sticky::SourceIp);
        let mut clusters =
            split.iter().filter_map(Backend::cluster).filter_map(|name| self.destinations.get(name));
        let hashes = clusters.any(|cluster| cluster.settings.hashes_clients());
        for text in
            unsaid::of_split(self.destinations, split, declared, &to, self.combined.contains_key(name))
        {
            self.notes.push(Note { listener: listener.into(), text });
        }
        Forward { to, by_client: sticks || hashes }
    }

    fn target(
        &mut self,
        listener: &str,
        name: &str,
        split: &[Backend],
        declared: &SplitSettings,
        settings: &ConnectionSettings,
    ) -> Target {
        let shares = weights(split);
        if shares.is_empty() {
            return Target::Nowhere;
        }
        if self.layout == SplitLayout::Endpoints {
            match one_cluster::said(name, &shares, self.destinations, declared, settings) {
                Ok(said) => {
                    self.combined.insert(name.to_owned(), said);
                    return Target::Cluster(name.to_owned());
                }
                Err(why) => self.notes.push(Note {
                    listener: listener.into(),
                    text: format!(
                        "its split is said as weighted clusters, so that a change of weights drains it: {why}"
                    ),
                }),
            }
        }
        let clusters: Vec<(String, u32)> = shares
            .into_iter()
            .map(|(cluster, weight)| {
                self.used.extend(cluster.map(str::to_owned));
                (cluster.unwrap_or(REFUSED).to_owned(), weight)
            })
            .collect();
        match <[(String, u32); 1]>::try_from(clusters) {
            Ok([(only, _)]) => Target::Cluster(only),
            Err(clusters) => Target::Weighted(clusters),
        }
    }

    /// Adds the clusters that the splits need, their load assignments, and the notes.
    pub(super) fn finish(self, resources: &mut EnvoyResources) {
        let Self { destinations, layout: _, used, combined, notes } = self;
        for cluster in used.iter().filter_map(|name| destinations.get(name)) {
            let (tree, assignment) = cluster::cluster(cluster, destinations);
            resources.clusters.insert(cluster.name.clone(), tree);
            resources.endpoints.extend(assignment.map(|tree| (cluster.name.clone(), tree)));
        }
        for (name, (tree, assignment)) in combined {
            resources.clusters.insert(name.clone(), tree);
            resources.endpoints.insert(name, assignment);
        }
        resources.notes.extend(notes);
    }
}

/// Returns the shares that get connections: a cluster, or `None` for a share that is refused, with its weight.
/// Weights whose sum exceeds 32 bits, which Envoy rejects, are scaled down.
fn weights(split: &[Backend]) -> Vec<(Option<&str>, u32)> {
    let mut shares: Vec<(Option<&str>, u32)> = Vec::new();
    for Backend { reference: _, weight, fate, origin: _, weighed_by: _, when_unavailable: _ } in split {
        let target = match fate {
            BackendFate::Routed { cluster, subset: _ } => Some(cluster.as_str()),
            BackendFate::Refused(_) => None,
            BackendFate::Spilled(_) => continue,
        };
        if *weight > 0 {
            shares.push((target, *weight));
        }
    }
    let sum: u64 = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let divisor = sum.div_ceil(u64::from(u32::MAX) - shares.len() as u64).max(1);
    if sum > u64::from(u32::MAX) {
        for (_, weight) in &mut shares {
            *weight = u32::try_from(u64::from(*weight) / divisor).unwrap_or(u32::MAX).max(1);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(weight: u32) -> Backend {
        Backend {
            reference: "MeshService a".into(),
            weight,
            fate: BackendFate::Routed { cluster: "a".into(), subset: model::Tags::default() },
            origin: None,
            weighed_by: None,
            when_unavailable: None,
        }
    }

    #[test]
    fn a_backend_without_weight_gets_no_connection() {
        assert_eq!(weights(&[backend(0), backend(7)]), [(Some("a"), 7)]);
    }

    #[test]
    fn weights_beyond_32_bits_keep_their_proportion() {
        let split = [backend(u32::MAX), backend(u32::MAX), backend(1)];
        let shares = weights(&split);
        assert_eq!(shares[0].1, shares[1].1);
        assert!(
            shares[2].1 == 1 && shares.iter().map(|(_, w)| u64::from(*w)).sum::<u64>() <= u64::from(u32::MAX)
        );
    }
}
