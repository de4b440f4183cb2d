//! Data path of connections, as reported by admin servers.

use kernel::Left;
use l4::config::Direction;
use serde_json::{Value, json};

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
    let own = data_path.paths().into_iter().filter(|(listener, _)| {
        listener.proxy.as_str() == proxy && listener.direction == Direction::Outbound
    });
    own.map(|(listener, path)| {
        (listener.name.to_string(), json!({ "path": path.as_str(), "why": path.why() }))
    })
    .collect()
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
