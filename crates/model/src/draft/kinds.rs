//! Table of the readers of all kinds.

use serde_json::Value;

use crate::draft::{Fields, identity, policy, topology};
use crate::kind::Kind;
use crate::policy::Written;
use crate::profile::Profile;
use crate::resource::{Meta, Spec};

/// Parts of a resource that its kind's reader reads.
pub(crate) struct Body<'d> {
    /// Body: `spec`, or the fields beside `type` and `name` for kinds with an inline body.
    pub(crate) spec: Fields<'d>,
    /// `status`, which a control plane computes.
    pub(crate) status: Fields<'d>,
}

/// Context of a reader besides the body.
pub(crate) struct Context<'c> {
    /// Profile whose rules apply.
    pub(crate) profile: Profile,
    /// Kind of the resource.
    pub(crate) kind: Kind,
    /// Name, mesh and labels, as far as they could be read.
    pub(crate) meta: &'c Meta,
}

/// Reads a body and checks it by the rules of the reference, in one walk.
///
/// Always returns a value: after a violation or an error it is not used.
pub(crate) type ReadSpec = fn(&mut Body<'_>, &Context<'_>) -> Spec;

/// Returns the reader of a kind.
pub(crate) fn reader(kind: Kind) -> ReadSpec {
    match kind {
        Kind::Mesh => topology::mesh,
        Kind::Dataplane => topology::dataplane,
        Kind::MeshService => topology::mesh_service,
        Kind::MeshMultiZoneService => topology::mesh_multizone_service,
        Kind::MeshExternalService => topology::mesh_external_service,
        Kind::MeshGateway => topology::mesh_gateway,
        Kind::ZoneIngress => topology::zone_ingress,
        Kind::ZoneEgress => topology::zone_egress,
        Kind::ExternalService => topology::external_service,
        Kind::TrafficRoute => topology::traffic_route,
        Kind::MeshIdentity => identity::mesh_identity,
        Kind::MeshTrust => identity::mesh_trust,
        Kind::MeshTCPRoute => policy::tcp,
        Kind::MeshHTTPRoute => policy::http,
        Kind::Timeout
        | Kind::Retry
        | Kind::TrafficLog
        | Kind::TrafficPermission
        | Kind::HealthCheck
        | Kind::CircuitBreaker => policy::legacy_policy,
        Kind::MeshZoneAddress => topology::mesh_zone_address,
        Kind::MeshGatewayRoute => topology::mesh_gateway_route,
        Kind::VirtualOutbound => topology::virtual_outbound,
        Kind::MeshTCPRollout => policy::rollout,
        kind if kind.is_policy() => policy::policy,
        _ => other,
    }
}

/// Keeps the body of a kind without effect on TCP routing as it is.
pub(crate) fn other(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    Spec::Other { kind: context.kind, body: Written::of(whole(body)) }
}

/// Returns a body as written, with all fields known.
pub(crate) fn whole(body: &mut Body<'_>) -> Value {
    body.spec.know_the_rest();
    body.status.know_the_rest();
    let members = body.spec.names().collect::<Vec<_>>().into_iter();
    Value::Object(members.map(|name| (name.to_owned(), body.spec.json(name))).collect())
}
