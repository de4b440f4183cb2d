//! Endpoints that Envoy cannot use: EDS accepts addresses, not host names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use plan::{Cluster, ClusterKind, Endpoint, Listener};

use super::Note;
use super::words::is_literal;

/// Returns the clusters of a plan without the endpoints whose host names are not resolved: with one of them Envoy
/// would refuse all of a cluster. Each listener that leads to one gets a note.
pub(super) fn without<'p>(
    clusters: &'p BTreeMap<String, Arc<Cluster>>,
    listeners: &[Arc<Listener>],
    notes: &mut Vec<Note>,
) -> Cow<'p, BTreeMap<String, Arc<Cluster>>> {
    let mut left = Cow::Borrowed(clusters);
    for (name, cluster) in clusters {
        let is_discovered = !matches!(cluster.kind, ClusterKind::External { .. } | ClusterKind::Application);
        let names = |it: &&Endpoint| !is_literal(&it.address);
        if !is_discovered || !cluster.endpoints.iter().any(|it| names(&it)) {
            continue;
        }
        for endpoint in cluster.endpoints.iter().filter(names) {
            let text = format!(
                "{}:{} is not dialled: Envoy takes addresses from a control plane, and nobody has resolved this name",
                endpoint.address, endpoint.port
            );
            let leads = |listener: &&Arc<Listener>| {
                listener.routes().flat_map(|route| &route.split).any(|it| it.cluster() == Some(name))
            };
            let listeners = listeners.iter().filter(leads).map(|listener| listener.name.clone());
            notes.extend(listeners.map(|listener| Note { listener, text: text.clone() }));
        }
        let mut cluster = Cluster::clone(cluster);
        cluster.endpoints.retain(|endpoint| is_literal(&endpoint.address));
        left.to_mut().insert(name.clone(), Arc::new(cluster));
    }
    left
}
