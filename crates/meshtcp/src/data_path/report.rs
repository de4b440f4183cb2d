//! Data path of connections, as reported by admin servers and to control planes.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::paths::ReportedPaths;
use jiff::Timestamp;
use kernel::{Left, Path};
use l4::ProxyName;
use l4::config::{Direction, Listener};
use l4::traffic::outbound_paths;
use serde_json::{Value, json};
use xds::proto::l4::OutboundPaths;

use super::DataPath;

/// Tree with the state of the kernel programs, the data path of each listener with its reason, and the connections that
/// were left to the relay.
pub(crate) fn report(data_path: &DataPath) -> Value {
    let listeners = data_path.paths().into_iter().map(|(listener, path)| {
        json!({
            "proxy": listener.proxy.as_str(),
            "listener": listener.name,
            "path": path.as_str(),
            "why": path.why(),
        })
    });
    json!({
        "kernel": match &data_path.running {
            Ok(running) => {
                json!({ "attached": true, "adopted": running.shared.lock().kernel.is_adopted() })
            }
            Err(reason) => json!({ "attached": false, "why": reason.to_string() }),
        },
        "left": data_path.left().map(left),
        "listeners": listeners.collect::<Vec<_>>(),
    })
}

/// Data path of a proxy's outbounds with its reason, by the listener's name.
pub(crate) fn paths_of(data_path: &DataPath, proxy: &str) -> Value {
    let own = outbounds(data_path).filter(|(listener, _)| listener.proxy.as_str() == proxy);
    own.map(|(listener, path)| {
        (listener.name.to_string(), json!({ "path": path.as_str(), "why": path.why() }))
    })
    .collect()
}

/// Data paths of all outbounds, as a proxy reports them to its control plane.
pub(crate) fn told(data_path: &DataPath) -> OutboundPaths {
    told_of(outbounds(data_path))
}

/// Data paths of each proxy's outbounds, as a control plane would know them from its report.
pub(crate) fn reported(data_path: &DataPath) -> BTreeMap<ProxyName, ReportedPaths> {
    let mut by_proxy: BTreeMap<ProxyName, Vec<(Arc<Listener>, Path)>> = BTreeMap::new();
    for (listener, path) in outbounds(data_path) {
        by_proxy.entry(listener.proxy.clone()).or_default().push((listener, path));
    }
    let now = Timestamp::now();
    let read = |(proxy, own): (ProxyName, Vec<_>)| {
        // it is within the limits, as it is made here
        Some((proxy, ReportedPaths::read(told_of(own.into_iter()), now).ok()?))
    };
    by_proxy.into_iter().filter_map(read).collect()
}

fn told_of(outbounds: impl Iterator<Item = (Arc<Listener>, Path)>) -> OutboundPaths {
    outbound_paths(outbounds.map(|(listener, path)| (Arc::clone(&listener.name), path.why())))
}

fn outbounds(data_path: &DataPath) -> impl Iterator<Item = (Arc<Listener>, Path)> {
    let all = data_path.paths().into_iter();
    all.filter(|(listener, _)| listener.direction == Direction::Outbound)
}

fn left(left: Left) -> Value {
    let Left { lost_records, no_address, held, bound_to_loopback, other_family, other_client } = left;
    json!({
        "noAddress": no_address,
        "held": held,
        "boundToLoopback": bound_to_loopback,
        "otherFamily": other_family,
        "otherClient": other_client,
        "lostRecords": lost_records,
    })
}
