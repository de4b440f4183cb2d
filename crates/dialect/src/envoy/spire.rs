//! The SPIRE agent beside an Envoy, which hands out certificates and authorities itself (spec 07 §12.6).

use model::topology::Protocol;
use plan::{Identity, Mtls, Provider};
use serde_json::{Value, json};

use super::cluster;
use super::words::duration;

/// The secret with the authorities of all trust domains that the agent knows.
pub(super) const EVERYBODY: &str = "ALL";
const CLUSTER: &str = "system_identity_sds-spire-agent";
/// Where agents listen unless they are told otherwise.
const SOCKET: &str = "/run/spire/sockets/agent.sock";

/// A secret of the agent, by name.
pub(super) fn secret(name: &str) -> Value {
    json!({
        "name": name,
        "sdsConfig": {
            "apiConfigSource": {
                "apiType": "GRPC",
                "transportApiVersion": "V3",
                "grpcServices": [{ "envoyGrpc": { "clusterName": CLUSTER } }],
            },
            "resourceApiVersion": "V3",
        },
    })
}

/// The cluster of the agent, for proxies that have their identity from it.
pub(super) fn agent(mtls: &Mtls) -> Option<(String, Value)> {
    let Identity::Workload { by: _, provider: Provider::Spire { timeout } } = mtls.identity else {
        return None;
    };
    let mut tree = cluster::base(CLUSTER);
    tree["type"] = "STATIC".into();
    tree["connectTimeout"] = duration(timeout).into();
    tree["loadAssignment"] = json!({
        "clusterName": CLUSTER,
        "endpoints": [{ "lbEndpoints": [{ "endpoint": { "address": { "pipe": { "path": SOCKET } } } }] }],
    });
    cluster::set_http(&mut tree, Protocol::Http2);
    Some((CLUSTER.to_owned(), tree))
}
