//! SPIRE agent beside an Envoy, which provides certificates and authorities itself (spec 07 §12.6).

use model::topology::Protocol;
use plan::{Identity, Mtls, Provider};
use serde_json::{Value, json};

use super::cluster;
use super::tls::AGENT;
use super::words::duration;

/// Default socket of an agent.
const SOCKET: &str = "/run/spire/sockets/agent.sock";

/// Returns the cluster of the agent, for proxies with an identity from it.
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
