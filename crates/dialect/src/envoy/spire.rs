//! The SPIRE agent beside an Envoy, which hands out certificates and authorities itself (spec 07 §12.6).

use model::topology::Protocol;
use plan::{Identity, Mtls, Provider};
use serde_json::{Value, json};

use super::cluster;
use super::tls::AGENT;
use super::words::duration;

/// Where agents listen unless they are told otherwise.
const SOCKET: &str = "/run/spire/sockets/agent.sock";

/// The cluster of the agent, for proxies that have their identity from it.
pub(super) fn agent(mtls: &Mtls) -> Option<(String, Value)> {
    let Identity::Workload { by: _, provider: Provider::Spire { timeout } } = mtls.identity else {
        return None;
    };
    let mut tree = cluster::base(AGENT);
    tree["type"] = "STATIC".into();
    tree["connectTimeout"] = duration(timeout).into();
    tree["loadAssignment"] = json!({
        "clusterName": AGENT,
        "endpoints": [{ "lbEndpoints": [{ "endpoint": { "address": { "pipe": { "path": SOCKET } } } }] }],
    });
    cluster::set_http(&mut tree, Protocol::Http2);
    Some((AGENT.to_owned(), tree))
}
