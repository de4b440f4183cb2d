//! Notes about settings of a split that Envoy does not support.

use plan::{Backend, Cluster, OnWeightChange, SplitSettings, Sticky};

use super::Target;
use crate::envoy::destinations::Destinations;
use crate::no_growth;

/// Returns the notes about one split; `combined`: it is one cluster.
pub(super) fn of_split(
    destinations: Destinations<'_>,
    split: &[Backend],
    declared: &SplitSettings,
    to: &Target,
    combined: bool,
) -> Vec<String> {
    let SplitSettings { sticky, existing, retry_other_side, drain_grace } = declared;
    let mut remarks = Vec::new();
    let is_split = match to {
        Target::Nowhere => return remarks,
        Target::Cluster(_) => combined && split.iter().filter_map(Backend::cluster).count() > 1,
        Target::Weighted(_) => true,
    };
    if let Some(sticky) = sticky.as_ref().filter(|sticky| sticky.value == Sticky::SourceIp && is_split) {
        remarks.push(if combined {
            format!("{}: Envoy keeps a client at one endpoint, and so at one backend", sticky.origin)
        } else {
            format!("{}: Envoy cannot keep a client at one side of weighted clusters: each connection is drawn anew", sticky.origin)
        });
    }
    if let Some(existing) = existing {
        let what = match existing.value {
            OnWeightChange::Keep => None,
            OnWeightChange::DrainExcess => Some("cannot close only the connections above a new share"),
            OnWeightChange::Close => Some("cannot close the connections of one backend when weights change"),
        };
        let instead = if combined {
            "they stay where they are"
        } else {
            "a change of weights drains the whole listener"
        };
        remarks.extend(what.map(|what| format!("{}: Envoy {what}: {instead}", existing.origin)));
    }
    if let Some(retry) = retry_other_side.as_ref().filter(|retry| retry.value && is_split && !combined) {
        remarks.push(format!("{}: Envoy cannot retry at another side of weighted clusters: attempts stay with the side that was drawn", retry.origin));
    }
    if let Some(grace) = drain_grace.as_ref().filter(|grace| !grace.value.is_zero()) {
        remarks.push(format!(
            "{}: Envoy cannot close the connections of a removed backend after a grace: they stay",
            grace.origin
        ));
    }
    for backend in split.iter().filter(|backend| backend.spills_when_down()) {
        let watched = |cluster: &&Cluster| {
            cluster.settings.health_check.is_some() || cluster.settings.outlier_detection.is_some()
        };
        if backend.cluster().and_then(|name| destinations.get(name)).filter(watched).is_some() && is_split {
            remarks.push(format!(
                "{}: Envoy cannot give its share to the others while all its endpoints are down: it is refused",
                backend.reference
            ));
        }
    }
    let clusters = || split.iter().filter_map(Backend::cluster).filter_map(|name| destinations.get(name));
    for cluster in clusters() {
        remarks.extend(no_growth(cluster));
        let refuses = cluster.settings.refuses_in_panic.as_ref().filter(|refuses| refuses.value);
        if let Some(refuses) = refuses.filter(|_| cluster.endpoints.iter().any(|it| it.group.is_some())) {
            remarks.push(format!(
                "{}: Envoy cannot refuse connections in panic where near endpoints are preferred by tags: it uses them all",
                refuses.origin
            ));
        }
    }
    let counts_together = |cluster: &Cluster| {
        cluster.settings.max_connections.is_some() || cluster.settings.max_pending_connections.is_some()
    };
    if combined && is_split && clusters().any(counts_together) {
        remarks.push(
            "Envoy counts the connections of all its backends together: their limits are added up".into(),
        );
    }
    remarks
}
