//! A bootstrap that needs no control plane: all that Envoy is told stands in it.

use dialect::envoy::EnvoyResources;
use dialect::envoy::bootstrap::{Admin, identity};
use plan::ProxyId;
use serde_json::{Value, json};

use super::node;

/// Puts a proxy's resources into a bootstrap: clusters get their endpoints inline, instead of by discovery.
///
/// Secrets would still be asked for from a control plane: a static Envoy of a mesh with mTLS does not get far.
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

/// A resource where its type goes without saying.
fn untyped(tree: &Value) -> Value {
    let mut tree = tree.clone();
    remove(&mut tree, "@type");
    tree
}

fn remove(tree: &mut Value, key: &str) {
    if let Some(members) = tree.as_object_mut() {
        // keeps the order of the others
        members.shift_remove(key);
    }
}
