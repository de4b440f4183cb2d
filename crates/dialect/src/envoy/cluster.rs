//! Clusters, one per destination (spec 04 §8, §9, §12.2).

mod health;
pub(super) mod settings;

use model::topology::Protocol;
use plan::{Cluster, ClusterKind, Mixed};
use serde_json::{Value, json};

use super::destinations::Destinations;
use super::words::{duration, from_control_plane, is_literal, sanitised, url};
use super::{endpoint, external_tls, tls};

/// Converts a cluster, and its load assignment unless that is part of the cluster.
pub(super) fn cluster(cluster: &Cluster, destinations: Destinations<'_>) -> (Value, Option<Value>) {
    let Cluster {
        name,
        service: _,
        kind,
        subset: _,
        tls,
        connect_timeout,
        settings: treatment,
        endpoints,
        direct: _,
        resource,
    } = cluster;
    let mut tree = base(name);
    if let Some(tls) = tls {
        tree["transportSocket"] = tls::to_mesh(tls, destinations);
        let matches = tls::to_zones(tls, destinations);
        if !matches.is_empty() {
            tree["transportSocketMatches"] = matches.into();
        }
    }
    match kind {
        ClusterKind::Application | ClusterKind::Zone { subsets: _ } => {}
        ClusterKind::Mesh => set_http(&mut tree, Protocol::Http2),
        ClusterKind::Gateway => {
            tree["perConnectionBufferLimitBytes"] = 32768.into();
            // the reference sets it for tags only
            if resource.is_none() {
                tree["connectTimeout"] = "5s".into();
            }
        }
        ClusterKind::Egress { protocol } | ClusterKind::External { protocol, .. } => {
            set_http(&mut tree, *protocol)
        }
    }
    if let Some(timeout) = connect_timeout {
        tree["connectTimeout"] = duration(timeout.value).into();
    }
    let ClusterKind::External { protocol: _, tls: outside } = kind else {
        discovered(&mut tree);
        let mut assignment = endpoint::assignment(name, endpoints);
        settings::choose(&mut tree, treatment);
        settings::add(&mut tree, treatment, destinations.unasked);
        settings::prefer_near(&mut tree, treatment);
        settings::fail_over(&mut assignment, treatment);
        return (tree, Some(assignment));
    };
    let literal = endpoints.iter().all(|endpoint| is_literal(&endpoint.address));
    tree["type"] = if literal { "STATIC" } else { "STRICT_DNS" }.into();
    tree["loadAssignment"] = endpoint::inline(name, endpoints);
    // otherwise by either, which is Envoy's default
    if !literal && !destinations.over_ipv6 {
        tree["dnsLookupFamily"] = "V4_ONLY".into();
    }
    match (outside.to_all(), endpoints.first()) {
        (Ok(None), _) => {}
        // the reference sets it for all endpoints at once, under the address of the first
        (Ok(Some(tls)), Some(first)) if resource.is_some() => {
            let socket = external_tls::to_outside(tls);
            tree["transportSocketMatches"] = json!([{ "name": first.address, "transportSocket": socket }]);
        }
        (Ok(Some(_)) | Err(Mixed), _) => {
            tree["transportSocketMatches"] = external_tls::to_each(outside, endpoints)
        }
    }
    settings::choose(&mut tree, treatment);
    settings::add(&mut tree, treatment, destinations.unasked);
    (tree, None)
}

/// Builds a cluster with nothing but its name.
pub(super) fn base(name: &str) -> Value {
    let mut tree = json!({ "@type": url("config.cluster.v3.Cluster"), "name": name });
    let stat_name = sanitised(name);
    if stat_name != name {
        tree["altStatName"] = stat_name.into();
    }
    tree
}

/// Makes a cluster's endpoints discovered by EDS.
pub(super) fn discovered(tree: &mut Value) {
    tree["type"] = "EDS".into();
    tree["edsClusterConfig"] = json!({ "edsConfig": from_control_plane() });
}

/// Sets the protocol options of the upstream; the reference sets HTTP/2 even for TCP services of the mesh (spec 06
/// no. 52).
pub(super) fn set_http(tree: &mut Value, protocol: Protocol) {
    let options = match protocol {
        Protocol::Http => "httpProtocolOptions",
        Protocol::Http2 | Protocol::Grpc => "http2ProtocolOptions",
        Protocol::Unknown | Protocol::Tcp | Protocol::Tls | Protocol::Kafka | Protocol::Mysql => return,
    };
    tree["typedExtensionProtocolOptions"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": url("extensions.upstreams.http.v3.HttpProtocolOptions"),
            "explicitHttpConfig": { options: {} },
        },
    });
}
