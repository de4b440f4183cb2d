//! Path of connections that leave the zone: the proxies they pass, the server name they carry, and the peer
//! expected at the end.

use std::collections::BTreeSet;

use crate::plan::{Cluster, ClusterKind, Endpoint, Hop, PeerNames, ProxyTls};

/// Returns the steps behind the proxy, in words; none where it dials destinations directly.
pub(super) fn explained(cluster: &Cluster) -> Vec<String> {
    let Cluster { kind, tls, endpoints, .. } = cluster;
    let mut gates = BTreeSet::new();
    for endpoint in endpoints {
        let Endpoint { zone, address, port, offered_by, via, .. } = endpoint;
        let at = format!("{address}:{port}");
        let asks = tls.as_ref().map(|tls| asks(tls, zone.as_deref()));
        let asks = asks.unwrap_or_else(|| "in plaintext, which no zone proxy takes".to_owned());
        let zone = zone.as_deref().unwrap_or("?");
        let step = match (via, kind) {
            (Hop::Direct, _) => continue,
            (Hop::ZoneIngress, _) => format!("to zone {zone} by its ingress at {at} ({offered_by}), {asks}"),
            (Hop::ZoneEgress, ClusterKind::Egress { .. }) => {
                format!("by the egress of this zone at {at}, {asks}: there TLS of the mesh ends")
            }
            (Hop::ZoneEgress, _) => format!(
                "by the egress of this zone at {at}, and then to zone {zone} by its ingress ({offered_by}), {asks} at both"
            ),
        };
        gates.insert(step);
    }
    let mut steps: Vec<String> = gates.into_iter().collect();
    if let (Some(tls), false) = (tls, steps.is_empty()) {
        steps.push(format!("at the end is believed {}", believed(&tls.peers)));
    }
    steps
}

fn asks(tls: &ProxyTls, zone: Option<&str>) -> String {
    let of_zone = zone.and_then(|zone| tls.sni_of_zones.get(zone));
    format!("asking for {}", of_zone.unwrap_or(&tls.sni))
}

fn believed(peers: &PeerNames) -> String {
    match peers {
        PeerNames::Any => "whoever the mesh believes".to_owned(),
        PeerNames::Exact(names) if names.is_empty() => "nobody".to_owned(),
        PeerNames::Exact(names) => format!("who proves to be {}", names.join(" or ")),
        PeerNames::Prefix(prefix) => format!("who proves to be {prefix}…"),
    }
}
