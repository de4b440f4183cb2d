//! Who a proxy says it is, in its first request.

use plan::ProxyId;
use tonic::Status;
use tonic::codegen::http::HeaderMap;
use xds::Foreign;
use xds::proto::discovery::{Node, PROXY_SORT};

use crate::arrivals::NotTaken;

/// How long a node id may be, in bytes: the longest mesh and name fit.
const NODE_ID_BYTES: usize = 512;
/// How much of the name and version of a program is kept.
const AGENT_CHARACTERS: usize = 200;

/// The metadata in which a proxy of ours says its node id, beside the token that proves it.
const SAID_NAME: &str = "meshtcp-node";
/// The same for its sort.
const SAID_SORT: &str = "meshtcp-proxy-type";

/// Who a proxy of ours says it is in the head of a request, before it has proven that; `None`: it does not say.
pub(super) fn said_proxy(headers: &HeaderMap) -> Option<ProxyId> {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    said(SAID_NAME).and_then(|id| ProxyId::of_node(id, said(SAID_SORT)))
}

pub(super) fn proxy_of(node: &Node) -> Result<ProxyId, Status> {
    let sane = (node.id.len() <= NODE_ID_BYTES).then_some(node.id.as_str());
    sane.and_then(|id| ProxyId::of_node(id, node.sort())).ok_or_else(|| {
        let id = Foreign::name(&node.id);
        Status::invalid_argument(format!(
            "`{id}` is no node id: write `<mesh>.<dataplane name>`, or of a zone proxy `.<name>`, with `{PROXY_SORT}` in the \
             metadata: `ingress` or `egress`"
        ))
    })
}

/// Why what a proxy brought is not taken.
pub(super) fn not_taken(why: &NotTaken) -> Status {
    let said = why.to_string();
    match why {
        NotTaken::Store(_) => Status::unavailable("the control plane cannot store it now: try again"),
        NotTaken::Invalid(_) => Status::invalid_argument(said),
        NotTaken::NoMesh(_) | NotTaken::ReadOnly(_) | NotTaken::NotIts(_) => {
            Status::failed_precondition(said)
        }
    }
}

pub(super) fn agent(node: &Node) -> String {
    let numbers = node.user_agent_build_version.as_ref().and_then(|build| build.version);
    let version = numbers.map(|v| format!("{}.{}.{}", v.major_number, v.minor_number, v.patch));
    let version = version.unwrap_or_else(|| node.user_agent_version.clone());
    let name = node.user_agent_name.as_str();
    // as much as is ever shown: it is kept as long as the proxy is
    let shortened = |text: &str| text.chars().take(AGENT_CHARACTERS).collect::<String>();
    shortened(format!("{} {}", shortened(name), shortened(&version)).trim())
}
