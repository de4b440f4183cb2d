//! Requests and responses of a client, in either protocol.

use std::collections::{BTreeMap, BTreeSet};

use meshtcp_xds::proto::discovery::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node, Status,
};
use meshtcp_xds::{Delta, Protocol, StateOfTheWorld};

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientRequest {
    pub(crate) node: bool,
    pub(crate) type_url: &'static str,
    pub(crate) nonce: String,
    pub(crate) version: String,
    /// `true`: the nonce is answered; `false`: it is only quoted.
    pub(crate) is_answer: bool,
    pub(crate) error: Option<String>,
    /// All names that are asked for.
    pub(crate) names: BTreeSet<String>,
    /// Names added since the last request.
    pub(crate) subscribe: Vec<String>,
    pub(crate) unsubscribe: Vec<String>,
    pub(crate) initial: BTreeMap<String, String>,
}

/// A response; `removed` is `None` if a resource left out is gone.
#[derive(Clone, Debug)]
pub(crate) struct ServerResponse {
    pub(crate) type_url: String,
    pub(crate) nonce: String,
    pub(crate) version: String,
    /// Name, version and body.
    pub(crate) resources: Vec<(String, String, String)>,
    pub(crate) removed: Option<Vec<String>>,
}

/// Protocol in the form that a client needs.
pub(crate) trait Wire: Protocol {
    fn request(ask: ClientRequest) -> Self::Request;
    fn said(response: Self::Response) -> ServerResponse;
}

fn node(is_said: bool) -> Option<Node> {
    is_said.then(|| Node { id: "default.web-1".into(), ..Node::default() })
}

fn status(error: Option<String>) -> Option<Status> {
    error.map(|message| Status { code: 13, message })
}

fn text(any: &Any) -> String {
    String::from_utf8(any.value.to_vec()).unwrap()
}

impl Wire for Delta {
    fn request(ask: ClientRequest) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            node: node(ask.node),
            type_url: ask.type_url.into(),
            resource_names_subscribe: ask.subscribe,
            resource_names_unsubscribe: ask.unsubscribe,
            initial_resource_versions: ask.initial.into_iter().collect(),
            response_nonce: if ask.is_answer { ask.nonce } else { String::new() },
            error_detail: status(ask.error),
        }
    }

    fn said(response: DeltaDiscoveryResponse) -> ServerResponse {
        let resources = response.resources.into_iter();
        ServerResponse {
            type_url: response.type_url,
            nonce: response.nonce,
            version: response.system_version_info,
            resources: resources
                .map(|resource| (resource.name, resource.version, text(&resource.resource.unwrap())))
                .collect(),
            removed: Some(response.removed_resources),
        }
    }
}

impl Wire for StateOfTheWorld {
    fn request(ask: ClientRequest) -> DiscoveryRequest {
        DiscoveryRequest {
            node: node(ask.node),
            type_url: ask.type_url.into(),
            version_info: ask.version,
            resource_names: ask.names.into_iter().collect(),
            response_nonce: ask.nonce,
            error_detail: status(ask.error),
        }
    }

    fn said(response: DiscoveryResponse) -> ServerResponse {
        let named = |any: &Any| {
            let body = text(any);
            (body.split_once(':').unwrap().0.to_owned(), String::new(), body)
        };
        ServerResponse {
            resources: response.resources.iter().map(named).collect(),
            type_url: response.type_url,
            nonce: response.nonce,
            version: response.version_info,
            removed: None,
        }
    }
}
