//! Bootstrap without a control plane: it contains everything that Envoy is told.

use dialect::envoy::EnvoyResources;
use dialect::envoy::bootstrap::{Admin, identity};
use plan::ProxyId;
use serde_json::{Value, json};

use super::node;

/// Puts a proxy's resources into a bootstrap: clusters get their endpoints inline, instead of by discovery.
///
/// Secrets would still be fetched from a control plane: a static Envoy does not work in a mesh with mTLS.
pub(crate) fn bootstrap(proxy: &ProxyId, resources: &EnvoyResources) -> Value {
    let EnvoyResources { listeners, clusters, endpoints, notes: _ } = resources;
    let clusters: Vec<Value> = clusters
        .iter()
        .map(|(name, tree)| {
            let mut tree = untyped(tree);
            if let Some(assignment) = endpoints.get(name) {
                tree["type"] = "STATIC".into();
                tree["loadAssignment"] = untyped(assignment);
                remove(&mut tree, "edsClusterConfig");
            }
            tree
        })
        .collect();
    let listeners: Vec<Value> = listeners.values().map(untyped).collect();
    let mut tree = identity(&node(proxy), &Admin::Port(0));
    tree["staticResources"] = json!({ "listeners": listeners, "clusters": clusters });
    tree
}

/// Returns a resource without its type, for places where that is implied.
fn untyped(tree: &Value) -> Value {
    let mut tree = tree.clone();
    remove(&mut tree, "@type");
    tree
}

fn remove(tree: &mut Value, key: &str) {
    if let Some(members) = tree.as_object_mut() {
        // preserves the order of the other members
        members.shift_remove(key);
    }
}
