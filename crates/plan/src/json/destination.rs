//! Clusters and endpoints as JSON.

use serde_json::{Value, json};

use crate::plan::{Cluster, ClusterKind, ClusterSettings, DirectAccess, Endpoint, OutsideTls};

pub(super) fn cluster(cluster: &Cluster) -> Value {
    let Cluster {
        name: _,
        service,
        kind,
        subset,
        tls,
        connect_timeout,
        settings,
        endpoints,
        direct,
        resource,
    } = cluster;
    json!({
        "service": service,
        "resource": resource,
        "kind": kind_json(kind),
        "subset": subset,
        "tls": tls,
        "connectTimeout": connect_timeout,
        "settings": said(settings),
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "direct": direct.as_ref().map(direct_json),
    })
}

/// Converts the settings that some policy set, by name; the others are left out.
fn said(settings: &ClusterSettings) -> Value {
    let mut said = json!(settings);
    said.as_object_mut().into_iter().for_each(|members| members.retain(|_, member| !member.is_null()));
    said
}

fn kind_json(kind: &ClusterKind) -> Value {
    match kind {
        ClusterKind::Mesh => json!({ "kind": "mesh" }),
        ClusterKind::Gateway => json!({ "kind": "mesh", "dialledBy": "gateway" }),
        ClusterKind::Zone { subsets: _ } => json!({ "kind": "mesh", "dialledBy": "zone proxy" }),
        ClusterKind::Application => json!({ "kind": "application" }),
        ClusterKind::Egress { protocol } => json!({ "kind": "egress", "protocol": protocol.as_str() }),
        ClusterKind::External { protocol, tls } => {
            with_tls(json!({ "kind": "external", "protocol": protocol.as_str() }), tls)
        }
    }
}

fn direct_json(DirectAccess { endpoints, tls }: &DirectAccess) -> Value {
    with_tls(json!({ "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>() }), tls)
}

fn with_tls(mut tree: Value, tls: &OutsideTls) -> Value {
    let (first, others) = tls.parts();
    tree["tls"] = json!(first);
    if !others.is_empty() {
        tree["otherTls"] = json!(others);
    }
    tree
}

fn endpoint(endpoint: &Endpoint) -> Value {
    let Endpoint { priority, zone, address, port, weight, group: _, tags, labels: _, offered_by, via } =
        endpoint;
    json!({
        "address": address,
        "port": port,
        "weight": weight,
        "priority": priority,
        "zone": zone,
        "tags": tags,
        "offeredBy": offered_by,
        "via": via,
    })
}
