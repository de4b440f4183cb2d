//! Connections that the kernel redirects to the proxy: their listeners, and the routes of those that match no other
//! listener.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use model::policy::{PassthroughMatch, PassthroughProtocol, PassthroughTo};
use plan::{Leaving, Naming, Passthrough, Proxy, Redirected};
use xds::proto::l4::{Arrival, Backend, Cluster, Direction as Says, Endpoints, Listener, Route, ServerName};

use super::listener::with_settings;
use super::{L4Resources, origin};
use crate::access_log_format::Placeholders;
use crate::redirected::{EXTERNAL, Family, TrafficDirection};

/// Cluster that leads to the original destination of a connection of this host.
const OUTSIDE: &str = "outbound:passthrough";

/// Adds the listeners of both directions, their routes and clusters.
pub(super) fn add(redirected: &Redirected, proxy: &Proxy, resources: &mut L4Resources) {
    let Redirected { port, only, ipv6, outbound, naming } = redirected;
    let Naming { unified, marks: _, counts_kafka: _, omitted: _ } = naming;
    let Some(leaving) = outbound else { return };
    let fill = Placeholders { proxy, source: &proxy.service, destination: EXTERNAL, direction: "OUTBOUND" };
    for family in Family::all(*ipv6) {
        if *port != 0 {
            let name = family.listener(TrafficDirection::In, *unified);
            let refusal = only.as_ref().map(|_| {
                "no inbound has this port, and the inbounds of this proxy take mesh TLS only".to_owned()
            });
            if refusal.is_none() {
                let cluster =
                    Cluster { source_address: family.unredirected().to_owned(), ..to_original(&name) };
                insert(cluster, resources);
            }
            let route = passed(&name, &name, refusal);
            let listener = redirected_to(&name, Says::Inbound, *family, *port);
            resources.routes.insert(name.clone(), route);
            resources.listeners.insert(name, listener);
        }
        let name = family.listener(TrafficDirection::Out, *unified);
        let listener = redirected_to(&name, Says::Outbound, *family, leaving.port);
        let listener = with_settings(listener, &leaving.settings, &fill);
        resources.routes.insert(name.clone(), unclaimed(&name, leaving));
        resources.listeners.insert(name, listener);
    }
    if leaving.passthrough != Passthrough::Nothing {
        insert(to_original(OUTSIDE), resources);
    }
    if let Passthrough::Only(matches) = &leaving.passthrough {
        only_to(matches, leaving, &fill, *ipv6, resources);
    }
}

/// Builds a listener that the kernel redirects connections to.
fn redirected_to(name: &str, direction: Says, family: Family, port: u16) -> Listener {
    Listener {
        name: name.to_owned(),
        direction: direction.into(),
        address: family.everywhere().to_owned(),
        port: u32::from(port),
        route: name.to_owned(),
        arrival: Arrival::Redirected.into(),
        ..Listener::default()
    }
}

/// Returns the route of connections of this host that match no outbound.
fn unclaimed(name: &str, leaving: &Leaving) -> Route {
    let refusal = match (&leaving.passthrough, &leaving.origin) {
        (Passthrough::Everything, _) => None,
        (Passthrough::Nothing | Passthrough::Only(_), None) => {
            Some("no outbound is for its destination, and the mesh lets nothing pass".to_owned())
        }
        (Passthrough::Nothing | Passthrough::Only(_), Some(origin)) => {
            Some(format!("no outbound is for its destination, and {origin} does not let it pass"))
        }
    };
    Route {
        origin: leaving.origin.as_ref().map(|policy| origin(policy, "default".to_owned())),
        ..passed(name, OUTSIDE, refusal)
    }
}

/// Builds a route to the original destination of a connection; `refusal`: the reason why it is refused instead.
fn passed(name: &str, cluster: &str, refusal: Option<String>) -> Route {
    let backend = Backend {
        reference: "the original destination".to_owned(),
        weight: 1,
        cluster: cluster.to_owned(),
        ..Backend::default()
    };
    Route {
        name: name.to_owned(),
        backends: if refusal.is_none() { vec![backend] } else { Vec::new() },
        refusal: refusal.unwrap_or_default(),
        ..Route::default()
    }
}

fn to_original(name: &str) -> Cluster {
    Cluster { name: name.to_owned(), original_destination: true, ..Cluster::default() }
}

fn insert(cluster: Cluster, resources: &mut L4Resources) {
    let name = cluster.name.clone();
    resources.endpoints.insert(name.clone(), Endpoints { cluster: name.clone(), endpoints: Vec::new() });
    resources.clusters.insert(name, cluster);
}

/// Network that is passed on, with a port, or with any.
type Place = (String, u8, Option<NonZeroU16>);

/// Adds a captured listener for each network and port: of several destinations within one, those with TLS are
/// distinguished by the server name, unless any protocol is allowed.
fn only_to(
    matches: &[PassthroughMatch],
    leaving: &Leaving,
    fill: &Placeholders<'_>,
    ipv6: bool,
    resources: &mut L4Resources,
) {
    let mut places: BTreeMap<Place, (bool, Vec<String>)> = BTreeMap::new();
    for PassthroughMatch { to, written, port, protocol } in matches {
        let (networks, name) = match to {
            PassthroughTo::Network { address, prefix } => (vec![(address.to_string(), *prefix)], "*"),
            PassthroughTo::Domain(name) if *protocol == PassthroughProtocol::Tls => {
                let families = Family::all(ipv6).iter();
                (families.map(|family| (family.everywhere().to_owned(), 0)).collect(), name.as_str())
            }
            PassthroughTo::Domain(_) => {
                let protocol = protocol.as_str();
                resources.notes.push(format!(
                    "{protocol} to {written} is not passed on: HTTP is not read, and nothing else says the name of a host; write \
                     its addresses"
                ));
                continue;
            }
        };
        for (network, prefix) in networks {
            let (is_any, names) = places.entry((network, prefix, *port)).or_default();
            match protocol {
                PassthroughProtocol::Tls => names.push(name.to_owned()),
                PassthroughProtocol::Tcp
                | PassthroughProtocol::Mysql
                | PassthroughProtocol::Http
                | PassthroughProtocol::Http2
                | PassthroughProtocol::Grpc => *is_any = true,
            }
        }
    }
    for ((network, prefix, port), (is_any, names)) in places {
        let shown = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
        let name = format!("{OUTSIDE}:{network}/{prefix}:{shown}");
        let names = if is_any { Vec::new() } else { names };
        let claim = |pattern: String| ServerName { pattern, route: name.clone(), ..ServerName::default() };
        let listener = Listener {
            name: name.clone(),
            direction: Says::Outbound.into(),
            address: network,
            port: port.map_or(0, |port| u32::from(port.get())),
            prefix_length: Some(u32::from(prefix)),
            route: if is_any { name.clone() } else { String::new() },
            server_names: names.into_iter().map(claim).collect(),
            arrival: Arrival::Captured.into(),
            ..Listener::default()
        };
        let listener = with_settings(listener, &leaving.settings, fill);
        let policy = leaving.origin.as_ref().map(|policy| origin(policy, "default".to_owned()));
        resources.routes.insert(name.clone(), Route { origin: policy, ..passed(&name, OUTSIDE, None) });
        resources.listeners.insert(name, listener);
    }
}
