//! Requests that violate the protocol.

use super::MAX_TYPES;
use crate::TypeUrl;

/// Request that violates the protocol; the stream ends with `InvalidArgument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// No type: on an aggregated stream every request needs one.
    #[error("the request has no `type_url`; on an aggregated stream every request needs one")]
    NoType,
    /// More types than the limit.
    #[error("the stream asks for more than {MAX_TYPES} types of resources")]
    TooManyTypes,
    /// More bytes of names than the limit.
    #[error("the names that the stream asks for take more than {} MiB", .limit >> 20)]
    TooManyNames {
        /// Limit for the stream, in bytes.
        limit: usize,
    },
    /// More bytes of names that nothing is published under than the control plane has left for all streams.
    #[error(
        "the streams of all proxies ask for too many names that nothing is published under: they may take {} MiB together, and this \
         one needs more than is left; what is published is served all the same",
        .limit >> 20
    )]
    Overdrawn {
        /// Limit for all streams together, in bytes.
        limit: usize,
    },
    /// No node id in the first request.
    #[error("the first request has no `node.id`; it names the proxy as `<mesh>.<name>`")]
    NoNode,
    /// First request for a type that is not served here: the client is no supported proxy.
    #[error(
        "`{0}` is not spoken here: proxies ask for resources of `envoy.…` or of `meshtcp.l4.v1`; is this the control plane \
         that was meant, and no older than the proxy?"
    )]
    NotSpoken(TypeUrl),
    /// Another node than the first: a stream belongs to one proxy.
    #[error(
        "the stream was opened by `{first}`, and a request on it claims to be `{now}`; open one stream a proxy"
    )]
    OtherNode {
        /// Node that opened the stream.
        first: String,
        /// Node of this request.
        now: String,
    },
}
