//! SPIRE agent beside an Envoy, which provides certificates and authorities itself (spec 07 §12.6).

use model::topology::Protocol;
use plan::{Identity, Mtls, Provider};
use serde_json::{Value, json};

use super::cluster;
use super::tls::AGENT;
use super::words::duration;

/// Default socket of agents, as the reference has it on hosts.
const SOCKET: &str = "/tmp/spire-agent/public/api.sock";

/// Returns the cluster of the agent, for proxies with an identity from it.
pub(super) fn agent(mtls: &Mtls) -> Option<(String, Value)> {
    let Identity::Workload { by: _, provider: Provider::Spire { timeout, socket } } = &mtls.identity else {
        return None;
    };
    let mut tree = cluster::base(AGENT);
    tree["type"] = "STATIC".into();
    tree["connectTimeout"] = duration(*timeout).into();
    let socket = socket.as_deref().unwrap_or(SOCKET);
    tree["loadAssignment"] = json!({
        "clusterName": AGENT,
        "endpoints": [{ "lbEndpoints": [{ "endpoint": { "address": { "pipe": { "path": socket } } } }] }],
    });
    cluster::set_http(&mut tree, Protocol::Http2);
    Some((AGENT.to_owned(), tree))
}
