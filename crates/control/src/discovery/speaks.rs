//! Common interface of the two protocols for the streams that serve them.

use change::status::StreamKind;
use xds::proto::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Node,
};
use xds::{Delta, Protocol, StateOfTheWorld};

/// Protocol together with what a stream needs of it.
pub(super) trait StreamProtocol: Protocol + 'static {
    const KIND: StreamKind;
    fn type_url(response: &Self::Response) -> &str;
    fn node(request: &Self::Request) -> Option<&Node>;
    fn asked(request: &Self::Request) -> &str;
}

impl StreamProtocol for Delta {
    const KIND: StreamKind = StreamKind::Delta;
    fn type_url(response: &DeltaDiscoveryResponse) -> &str {
        &response.type_url
    }
    fn node(request: &DeltaDiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }
    fn asked(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }
}

impl StreamProtocol for StateOfTheWorld {
    const KIND: StreamKind = StreamKind::StateOfTheWorld;
    fn type_url(response: &DiscoveryResponse) -> &str {
        &response.type_url
    }
    fn node(request: &DiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }
    fn asked(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }
}
