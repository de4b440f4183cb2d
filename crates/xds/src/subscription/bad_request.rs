//! What no client should ask.

use super::{MAX_TYPES, NAMES_BYTES};
use crate::TypeUrl;

/// A request that no client should send; the stream ends with `InvalidArgument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// On an aggregated stream every request says what it is about.
    #[error("the request has no `type_url`; on an aggregated stream every request needs one")]
    NoType,
    /// There are not that many types.
    #[error("the stream asks for more than {MAX_TYPES} types of resources")]
    TooManyTypes,
    /// Nobody needs that many.
    #[error("the names that the stream asks for take more than {} MiB", NAMES_BYTES >> 20)]
    TooManyNames,
    /// The first request says who asks.
    #[error("the first request has no `node.id`; it names the proxy as `<mesh>.<name>`")]
    NoNode,
    /// Whoever begins with what nobody here speaks is no proxy that could be served.
    #[error(
        "`{0}` is not spoken here: proxies ask for resources of `envoy.…` or of `meshtcp.l4.v1`; is this the control plane \
         that was meant, and no older than the proxy?"
    )]
    NotSpoken(TypeUrl),
    /// A stream belongs to one proxy.
    #[error(
        "the stream was opened by `{first}`, and a request on it claims to be `{now}`; open one stream a proxy"
    )]
    OtherNode {
        /// Who opened the stream.
        first: String,
        /// Who asked now.
        now: String,
    },
}
