//! Connections that the kernel redirects to the proxy and that match no other listener (spec 07 §9.5, §16).

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use model::policy::{PassthroughMatch, PassthroughProtocol, PassthroughTo};
use plan::{ConnectionSettings, Leaving, Naming, Passthrough, Proxy, Redirected};
use serde_json::{Value, json};

use super::access_log::Speaker;
use super::reference::ReferenceDefaults;
use super::split::{Forward, Target};
use super::tcp_proxy;
use super::words::{address, duration, extension, object, sanitised, url};
use super::{EnvoyResources, Note, cluster};
use crate::access_log_format::Placeholders;
use crate::redirected::{EXTERNAL, Family, TrafficDirection};

/// Cluster of connections to nowhere: the reference has it, and no route leads there.
const NOWHERE: &str = "self_transparentproxy_no_destination_inbound";

/// Adds the listeners of each address family, and the clusters of their connections.
pub(super) fn add(
    redirected: &Redirected,
    proxy: &Proxy,
    unasked: ReferenceDefaults,
    resources: &mut EnvoyResources,
) {
    let Redirected { port, only, ipv6, outbound, naming } = redirected;
    let Naming { unified, marks: _, counts_kafka: _, omitted: _ } = naming;
    for family in Family::all(*ipv6) {
        let name = family.listener(TrafficDirection::In, *unified);
        let placeholders = Placeholders { proxy, source: "unknown", destination: "", direction: "INBOUND" };
        let speaker = Speaker { listener: &name, placeholders };
        let filters = filters(&name, &ConnectionSettings::default(), &speaker, &mut resources.notes);
        let chains: Vec<Value> = match only {
            None => vec![json!({ "filters": filters })],
            Some(ports) => {
                let to = |port: &u16| json!({ "filterChainMatch": { "destinationPort": port }, "filters": filters });
                ports.iter().map(to).collect()
            }
        };
        // without an open port there is no listener: Envoy accepts none without a chain
        let is_open = !chains.is_empty();
        if is_open {
            let listener = listener(&name, TrafficDirection::In, *family, *port, chains, *unified);
            resources.listeners.insert(name.clone(), listener);
        }
        // without a port nothing arrives
        if *port != 0 && is_open {
            let tree = original_destination(&name, Some(*family), unasked);
            resources.clusters.insert(name.clone(), tree);
        }
        if let Some(leaving) = outbound {
            let name = family.listener(TrafficDirection::Out, *unified);
            let tree = self::leaving(
                &name,
                *family,
                leaving,
                Common { proxy, unified: *unified, unasked },
                resources,
            );
            resources.listeners.insert(name, tree);
        }
    }
    if outbound.is_some() && unasked.has_nowhere {
        let mut tree = cluster::base(NOWHERE);
        tree["altStatName"] = NOWHERE.into();
        tree["type"] = "STATIC".into();
        tree["connectTimeout"] = duration(unasked.connect_timeout).into();
        cluster::settings::limit(&mut tree, None, None, unasked);
        resources.clusters.insert(NOWHERE.to_owned(), tree);
    }
}

/// Common facts of the listeners of a proxy.
#[derive(Clone, Copy)]
struct Common<'a> {
    proxy: &'a Proxy,
    unified: bool,
    unasked: ReferenceDefaults,
}

/// Returns the listener for connections of this host. If none may pass, its chain leads to a cluster that does not
/// exist, as in the reference: they are closed.
fn leaving(
    name: &str,
    family: Family,
    Leaving { port, passthrough, origin: _, settings }: &Leaving,
    Common { proxy, unified, unasked }: Common<'_>,
    resources: &mut EnvoyResources,
) -> Value {
    let placeholders =
        Placeholders { proxy, source: &proxy.service, destination: EXTERNAL, direction: "OUTBOUND" };
    let speaker = Speaker { listener: name, placeholders };
    let ways: Vec<Passed<'_>> = match passthrough {
        Passthrough::Everything => {
            resources.clusters.insert(name.to_owned(), original_destination(name, None, unasked));
            Vec::new()
        }
        Passthrough::Nothing => Vec::new(),
        Passthrough::Only(matches) => passed(name, family, matches, &mut resources.notes),
    };
    let mut chains: Vec<Value> = Vec::new();
    for way in &ways {
        let name = way.name();
        let filters = filters(&name, settings, &speaker, &mut resources.notes);
        chains.push(json!({ "name": name, "filterChainMatch": way.condition(), "filters": filters }));
        resources.clusters.entry(name.clone()).or_insert_with(|| original_destination(&name, None, unasked));
    }
    if chains.is_empty() {
        let filters = filters(name, settings, &speaker, &mut resources.notes);
        return listener(
            name,
            TrafficDirection::Out,
            family,
            *port,
            vec![json!({ "filters": filters })],
            unified,
        );
    }
    let mut tree = listener(name, TrafficDirection::Out, family, *port, chains, unified);
    // a client that waits for its server is not waited for; the reference says so of both families
    let silent: BTreeSet<NonZeroU16> = match passthrough {
        Passthrough::Only(matches) => {
            let waits = |it: &&PassthroughMatch| it.protocol == PassthroughProtocol::Mysql;
            matches.iter().filter(waits).filter_map(|it| it.port).collect()
        }
        Passthrough::Everything | Passthrough::Nothing => BTreeSet::new(),
    };
    let silent: Vec<Value> = silent.into_iter().rev().map(at_port).collect();
    let filter = |filter: &str, message: &str| {
        let message = format!("extensions.filters.listener.{filter}.v3.{message}");
        extension(&format!("envoy.filters.listener.{filter}"), &message, object(json!({})))
    };
    let inspector = |name: &str, message: &str| {
        let mut filter = filter(name, message);
        match silent.as_slice() {
            [] => {}
            [one] => filter["filterDisabled"] = one.clone(),
            several => filter["filterDisabled"] = json!({ "orMatch": { "rules": several } }),
        }
        filter
    };
    tree["listenerFilters"] = json!([
        filter("original_dst", "OriginalDst"),
        inspector("tls_inspector", "TlsInspector"),
        inspector("http_inspector", "HttpInspector"),
    ]);
    tree
}

/// Predicate of a listener filter: connections to a port.
fn at_port(port: NonZeroU16) -> Value {
    json!({ "destinationPortRange": { "start": port, "end": u32::from(port.get()) + 1 } })
}

/// Connections that are passed on.
struct Passed<'a> {
    to: &'a PassthroughTo,
    written: &'a str,
    port: Option<NonZeroU16>,
    protocol: PassthroughProtocol,
}

/// Returns those of a family that Envoy can distinguish without reading HTTP, each once: the protocol inside a
/// plaintext connection makes no difference.
fn passed<'a>(
    listener: &str,
    family: Family,
    matches: &'a [PassthroughMatch],
    notes: &mut Vec<Note>,
) -> Vec<Passed<'a>> {
    let mut found: Vec<Passed<'a>> = Vec::new();
    // Envoy looks for the port first, and then goes back to no chain for any port: they are told of each port as well
    let ports: BTreeSet<NonZeroU16> = matches.iter().filter_map(|it| it.port).collect();
    for PassthroughMatch { to, written, port, protocol } in matches {
        match to {
            PassthroughTo::Network { address, .. } if Family::of(*address) != family => continue,
            PassthroughTo::Domain(_) if *protocol != PassthroughProtocol::Tls => {
                notes.push(Note {
                    listener: listener.to_owned(),
                    text: format!(
                        "{} to {written} is not passed on: HTTP is not read, and nothing else says the name of a host;                          write its addresses",
                        protocol.as_str()
                    ),
                });
                continue;
            }
            PassthroughTo::Network { .. } | PassthroughTo::Domain(_) => {}
        }
        let others = ports.iter().filter(|_| port.is_none()).map(|port| Some(*port));
        for port in [*port].into_iter().chain(others) {
            let way = Passed { to, written, port, protocol: *protocol };
            if found.iter().all(|other| other.condition() != way.condition()) {
                found.push(way);
            }
        }
    }
    found
}

impl Passed<'_> {
    /// Name of the chain, and of the cluster behind it.
    fn name(&self) -> String {
        let port = self.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
        let protocol = match self.protocol {
            PassthroughProtocol::Mysql => PassthroughProtocol::Tcp,
            said => said,
        };
        format!("meshpassthrough_{}_{}_{port}", protocol.as_str(), self.written)
    }

    fn condition(&self) -> Value {
        let mut condition = json!({});
        if let PassthroughTo::Network { address, prefix } = self.to {
            condition["prefixRanges"] =
                json!([{ "addressPrefix": address.to_string(), "prefixLen": prefix }]);
        }
        if let Some(port) = self.port {
            condition["destinationPort"] = port.get().into();
        }
        match self.protocol {
            PassthroughProtocol::Tls => condition["transportProtocol"] = "tls".into(),
            PassthroughProtocol::Tcp
            | PassthroughProtocol::Mysql
            | PassthroughProtocol::Http
            | PassthroughProtocol::Http2
            | PassthroughProtocol::Grpc => condition["transportProtocol"] = "raw_buffer".into(),
        }
        match self.to {
            PassthroughTo::Domain(name) if name != "*" => condition["serverNames"] = json!([name]),
            PassthroughTo::Domain(_) | PassthroughTo::Network { .. } => {}
        }
        condition
    }
}

fn listener(
    name: &str,
    way: TrafficDirection,
    family: Family,
    port: u16,
    chains: Vec<Value>,
    unified: bool,
) -> Value {
    let mut listener = json!({
        "@type": url("config.listener.v3.Listener"),
        "name": name,
        "trafficDirection": if way == TrafficDirection::In { "INBOUND" } else { "OUTBOUND" },
    });
    if way == TrafficDirection::In {
        listener["enableReusePort"] = false.into();
    }
    listener["address"] = address(family.everywhere(), u32::from(port));
    listener["filterChains"] = chains.into();
    listener["useOriginalDst"] = true.into();
    if unified {
        listener["statPrefix"] = name.into();
    }
    listener
}

/// Returns the filters of connections that go on to a cluster of the same name.
fn filters(
    name: &str,
    settings: &ConnectionSettings,
    speaker: &Speaker<'_>,
    notes: &mut Vec<Note>,
) -> Vec<Value> {
    let forward = Forward { to: Target::Cluster(name.to_owned()), by_client: false };
    tcp_proxy::filter(&sanitised(name), &forward, settings, speaker, notes)
}

/// Returns a cluster that dials the original destination; with a family, from an address that is not redirected.
fn original_destination(name: &str, from: Option<Family>, unasked: ReferenceDefaults) -> Value {
    let mut tree = cluster::base(name);
    tree["type"] = "ORIGINAL_DST".into();
    tree["lbPolicy"] = "CLUSTER_PROVIDED".into();
    tree["connectTimeout"] = duration(unasked.connect_timeout).into();
    if let Some(from) = from {
        tree["upstreamBindConfig"] = from_address(from);
    }
    cluster::settings::limit(&mut tree, None, None, unasked);
    tree
}

/// Returns the source address of connections that are not redirected, with any port.
pub(super) fn from_address(family: Family) -> Value {
    json!({ "sourceAddress": { "address": family.unredirected(), "portValue": 0 } })
}
