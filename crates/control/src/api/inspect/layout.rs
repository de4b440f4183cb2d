//! Inbounds and outbounds of a proxy, by identifier.

use model::topology::{Inbound, Protocol};
use plan::{Destination, Direction, View};
use serde_json::{Value, json};

use change::compile::CompiledProxy;

/// Renders the layout. Outbounds that only tags name have no identifier and are left out: `_plan` has them.
pub(super) fn shown(view: &View<'_>, proxy: &CompiledProxy) -> Value {
    let resource = view.resource();
    let id = resource.id();
    let written = &view.dataplane().inbound;
    let listeners = &proxy.plan.listeners;
    let inbounds = listeners.iter().filter(|listener| listener.direction == Direction::Inbound);
    let inbounds = inbounds.map(|inbound| {
        let port = inbound.bind.port;
        let of = written.iter().find(|it| it.port == port);
        let section = of.map_or_else(|| port.to_string(), section);
        json!({
            "kri": id.with_section(section.as_str()).to_string(),
            "port": port,
            "protocol": protocol(inbound.protocol),
            "proxyResourceName": format!("self_inbound_dp_{section}"),
        })
    });
    let outbounds = listeners.iter().filter_map(|outbound| match outbound.destination()? {
        Destination::Tags(_) => None,
        Destination::Resource { id, name: _ } => Some(json!({
            "kri": id.to_string(),
            "port": outbound.bind.port,
            "protocol": protocol(outbound.protocol),
            "proxyResourceName": id.to_string(),
        })),
    });
    json!({
        "kri": id.to_string(),
        "labels": resource.meta().labels,
        "inbounds": inbounds.collect::<Vec<_>>(),
        "outbounds": outbounds.collect::<Vec<_>>(),
        "listeners": [],
    })
}

/// Name of a protocol; unset ones are carried as TCP.
fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Unknown => Protocol::Tcp.as_str(),
        known => known.as_str(),
    }
}

/// Section name of an inbound: its name, otherwise its port.
pub(super) fn section(inbound: &Inbound) -> String {
    inbound.name.clone().unwrap_or_else(|| inbound.port.to_string())
}
