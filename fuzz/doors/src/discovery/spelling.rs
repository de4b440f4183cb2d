//! Requests and responses of a client, independent of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use xds::proto::discovery::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node, Status,
};
use xds::{Delta, Protocol, StateOfTheWorld};

/// Request of a client; the two protocols encode it differently.
pub(super) struct ClientRequest<'s> {
    pub(super) type_url: &'static str,
    pub(super) subscribe: Vec<String>,
    pub(super) unsubscribe: Vec<String>,
    /// All names subscribed to after this request.
    pub(super) names: &'s BTreeSet<String>,
    pub(super) held: BTreeMap<String, String>,
    pub(super) version: String,
    pub(super) nonce: String,
    pub(super) error: Option<Status>,
}

/// Response to a client.
pub(super) struct ServerResponse {
    pub(super) type_url: String,
    pub(super) nonce: String,
    pub(super) version: String,
    /// Name, version and body; the name of a state-of-the-world resource is in its body.
    pub(super) resources: Vec<(String, String, Vec<u8>)>,
    pub(super) removed: Vec<String>,
    pub(super) complete: bool,
}

pub(super) trait Spelling: Protocol {
    /// `true`: every request on a stream repeats the last nonce, so that a change of names is an answer, too.
    const REPEATS_NONCE: bool;
    fn spell(say: ClientRequest<'_>) -> Self::Request;
    fn hear(response: Self::Response) -> ServerResponse;
}

fn node() -> Option<Node> {
    Some(Node { id: "default.web-1".into(), ..Node::default() })
}

impl Spelling for Delta {
    const REPEATS_NONCE: bool = false;

    fn spell(
        ClientRequest { type_url, subscribe, unsubscribe, held, nonce, error, .. }: ClientRequest<'_>,
    ) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: node(),
            type_url: type_url.into(),
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            initial_resource_versions: held,
            response_nonce: nonce,
            error_detail: error,
        }
    }

    fn hear(response: DeltaDiscoveryResponse) -> ServerResponse {
        let resources = response.resources.into_iter();
        let body = |any: Option<Any>| any.map(|any| any.value.to_vec()).unwrap_or_default();
        ServerResponse {
            type_url: response.type_url,
            nonce: response.nonce,
            version: response.system_version_info,
            resources: resources
                .map(|resource| (resource.name, resource.version, body(resource.resource)))
                .collect(),
            removed: response.removed_resources,
            complete: false,
        }
    }
}

impl Spelling for StateOfTheWorld {
    const REPEATS_NONCE: bool = true;

    fn spell(
        ClientRequest { type_url, names, version, nonce, error, .. }: ClientRequest<'_>,
    ) -> DiscoveryRequest {
        DiscoveryRequest {
            version_info: version,
            node: node(),
            resource_names: names.iter().cloned().collect(),
            type_url: type_url.into(),
            response_nonce: nonce,
            error_detail: error,
        }
    }

    fn hear(response: DiscoveryResponse) -> ServerResponse {
        let name = |body: &[u8]| String::from_utf8_lossy(&body[..1]).into_owned();
        let resources = response.resources.into_iter().map(|any| any.value.to_vec());
        ServerResponse {
            type_url: response.type_url,
            nonce: response.nonce,
            version: response.version_info,
            resources: resources.map(|body| (name(&body), String::new(), body)).collect(),
            removed: Vec::new(),
            complete: true,
        }
    }
}
