//! Common form of the two protocol variants, state-of-the-world and delta.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::bytes::Bytes;

use super::names::cost;
use crate::TypeUrl;
use crate::proto::discovery::{
    Any, ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    Node, Resource, Status,
};

/// Variant of the discovery protocol: [`Delta`] or [`StateOfTheWorld`].
pub trait Protocol: sealed::Protocol {
    /// Request of a client.
    type Request: prost::Message + Default + 'static;
    /// Response to a client.
    type Response: prost::Message + Default + 'static;
}

/// Delta variant: responses carry the changes.
#[derive(Debug)]
pub enum Delta {}

/// State-of-the-world variant: responses carry everything that is subscribed to.
#[derive(Debug)]
pub enum StateOfTheWorld {}

impl Protocol for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
}

impl Protocol for StateOfTheWorld {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
}

pub(super) mod sealed {
    use super::{AnyRequest, Push};

    pub trait Protocol {
        /// `true`: a response carries everything, so that a resource left out is gone.
        const COMPLETE: bool;
        fn into_any(request: <Self as super::Protocol>::Request) -> AnyRequest
        where
            Self: super::Protocol;
        fn response(push: Push) -> <Self as super::Protocol>::Response
        where
            Self: super::Protocol;
    }
}

/// Request of either variant.
pub struct AnyRequest {
    pub(super) node: Option<Node>,
    pub(super) type_url: String,
    pub(super) nonce: String,
    pub(super) error: Option<Status>,
    pub(super) change: Change,
}

/// Change of the subscription by a request.
pub(super) enum Change {
    Delta { subscribe: Vec<String>, unsubscribe: Vec<String>, initial: BTreeMap<String, String> },
    Replace { names: Vec<String>, version: String },
}

impl Change {
    /// Memory cost of its names, in bytes.
    pub(super) fn cost(&self) -> usize {
        let all = |names: &[String]| names.iter().map(|name| cost(name)).sum::<usize>();
        match self {
            Change::Delta { subscribe, unsubscribe, initial } => {
                let held = initial.iter().map(|(name, version)| cost(name) + version.len());
                all(subscribe) + all(unsubscribe) + held.sum::<usize>()
            }
            Change::Replace { names, version: _ } => all(names),
        }
    }
}

/// Response of either variant.
pub struct Push {
    pub(super) type_url: TypeUrl,
    pub(super) nonce: String,
    pub(super) version: String,
    pub(super) resources: Vec<Pushed>,
    pub(super) removed: Vec<String>,
    pub(super) control_plane: Arc<str>,
}

pub(super) struct Pushed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) body: Arc<[u8]>,
}

impl sealed::Protocol for Delta {
    const COMPLETE: bool = false;

    fn into_any(request: DeltaDiscoveryRequest) -> AnyRequest {
        let DeltaDiscoveryRequest {
            node,
            type_url,
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            initial_resource_versions: initial,
            response_nonce: nonce,
            error_detail: error,
        } = request;
        AnyRequest { node, type_url, nonce, error, change: Change::Delta { subscribe, unsubscribe, initial } }
    }

    fn response(push: Push) -> DeltaDiscoveryResponse {
        let Push { type_url, nonce, version, resources, removed, control_plane } = push;
        let resources = resources.into_iter().map(|Pushed { name, version, body }| Resource {
            version,
            resource: Some(any(&type_url, body)),
            name,
        });
        DeltaDiscoveryResponse {
            system_version_info: version,
            resources: resources.collect(),
            type_url: type_url.to_string(),
            nonce,
            removed_resources: removed,
            control_plane: Some(ControlPlane { identifier: control_plane.to_string() }),
        }
    }
}

impl sealed::Protocol for StateOfTheWorld {
    const COMPLETE: bool = true;

    fn into_any(request: DiscoveryRequest) -> AnyRequest {
        let DiscoveryRequest {
            version_info: version,
            node,
            resource_names: names,
            type_url,
            response_nonce: nonce,
            error_detail: error,
        } = request;
        AnyRequest { node, type_url, nonce, error, change: Change::Replace { names, version } }
    }

    fn response(push: Push) -> DiscoveryResponse {
        // A resource left out is gone, and resources carry their own names.
        let Push { type_url, nonce, version, resources, removed: _, control_plane } = push;
        DiscoveryResponse {
            version_info: version,
            resources: resources
                .into_iter()
                .map(|Pushed { name: _, version: _, body }| any(&type_url, body))
                .collect(),
            type_url: type_url.to_string(),
            nonce,
            control_plane: Some(ControlPlane { identifier: control_plane.to_string() }),
        }
    }
}

fn any(type_url: &TypeUrl, body: Arc<[u8]>) -> Any {
    Any { type_url: type_url.to_string(), value: Bytes::from_owner(body) }
}
