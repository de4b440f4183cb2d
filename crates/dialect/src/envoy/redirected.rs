//! Connections that the kernel redirects to the proxy for ports of its host (spec 07 §9.5).

use plan::{Naming, Redirected};
use serde_json::{Value, json};

use super::reference::Unasked;
use super::words::{address, duration, extension, object, sanitised, url};
use super::{EnvoyResources, cluster};

/// Adds a listener for each address family, and where connections of it go.
pub(super) fn add(redirected: &Redirected, unasked: Unasked, resources: &mut EnvoyResources) {
    let Redirected { port, only, ipv6, naming: Naming { unified, marks: _, counts_kafka: _, omitted: _ } } =
        redirected;
    let families = [("ipv4", "0.0.0.0", "127.0.0.6"), ("ipv6", "::", "::6")];
    for (family, everywhere, from) in families.into_iter().take(if *ipv6 { 2 } else { 1 }) {
        let name = match unified {
            true => format!("self_transparentproxy_passthrough_inbound_{family}"),
            false => format!("inbound:passthrough:{family}"),
        };
        let config = object(json!({ "statPrefix": sanitised(&name), "cluster": name }));
        let proxy = extension(
            "envoy.filters.network.tcp_proxy",
            "extensions.filters.network.tcp_proxy.v3.TcpProxy",
            config,
        );
        let chains: Vec<Value> = match only {
            None => vec![json!({ "filters": [proxy] })],
            Some(ports) => {
                let to = |port: &u16| json!({ "filterChainMatch": { "destinationPort": port }, "filters": [proxy] });
                ports.iter().map(to).collect()
            }
        };
        let mut listener = json!({
            "@type": url("config.listener.v3.Listener"),
            "name": name,
            "trafficDirection": "INBOUND",
            "enableReusePort": false,
            "address": address(everywhere, u32::from(*port)),
            "filterChains": chains,
            "useOriginalDst": true,
        });
        if *unified {
            listener["statPrefix"] = name.as_str().into();
        }
        resources.listeners.insert(name.clone(), listener);
        // without a port nothing arrives
        if *port != 0 {
            resources.clusters.insert(name.clone(), original_destination(&name, from, unasked));
        }
    }
}

/// A cluster that dials whatever was meant, from an address that the kernel does not redirect.
fn original_destination(name: &str, from: &str, unasked: Unasked) -> Value {
    let mut tree = cluster::base(name);
    tree["type"] = "ORIGINAL_DST".into();
    tree["lbPolicy"] = "CLUSTER_PROVIDED".into();
    tree["connectTimeout"] = duration(unasked.connect_timeout).into();
    tree["upstreamBindConfig"] = from_address(from);
    cluster::settings::limit(&mut tree, None, None, unasked);
    tree
}

/// The source address of connections, with any port.
pub(super) fn from_address(from: &str) -> Value {
    json!({ "sourceAddress": { "address": from, "portValue": 0 } })
}
