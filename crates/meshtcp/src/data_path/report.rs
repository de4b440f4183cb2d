//! Which way connections take, as admin servers tell it.

use kernel::{Left, Path};
use serde_json::{Value, json};

use super::DataPath;

/// Whether there are programs in the kernel, which way each listener's connections take and why, and what was left to the
/// relay, as a tree.
pub(crate) fn report(data_path: &DataPath) -> Value {
    let listeners = data_path.paths().into_iter().map(|(listener, path)| {
        let why = match &path {
            Path::Kernel => None,
            Path::Relay(reason) => Some(reason.to_string()),
        };
        json!({
            "proxy": listener.proxy.as_str(),
            "listener": listener.name,
            "path": path.as_str(),
            "why": why,
        })
    });
    json!({
        "kernel": match &data_path.running {
            Ok(_) => json!({ "attached": true }),
            Err(reason) => json!({ "attached": false, "why": reason.to_string() }),
        },
        "left": data_path.left().map(left),
        "listeners": listeners.collect::<Vec<_>>(),
    })
}

fn left(left: Left) -> Value {
    let Left { lost_records, no_address, held, bound_to_loopback, other_family } = left;
    json!({
        "noAddress": no_address,
        "held": held,
        "boundToLoopback": bound_to_loopback,
        "otherFamily": other_family,
        "lostRecords": lost_records,
    })
}
