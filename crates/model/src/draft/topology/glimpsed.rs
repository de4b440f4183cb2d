//! Readers of kinds of which routing TCP needs a field or two. They are not checked: missing or unexpected values
//! are absent.

use serde_json::Value;

use crate::draft::kinds::whole;
use crate::draft::{Body, Context};
use crate::reference::Tags;
use crate::resource::Spec;
use crate::topology::{MeshGatewayRoute, MeshZoneAddress, VirtualOutbound};

/// Reads a MeshZoneAddress.
pub(crate) fn mesh_zone_address(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
    let body = whole(body);
    let address = body.get("address").and_then(Value::as_str).map(str::to_owned);
    let port = body.get("port").and_then(Value::as_u64).and_then(|port| u32::try_from(port).ok());
    Spec::MeshZoneAddress(MeshZoneAddress { place: address.zip(port) })
}

/// Reads a MeshGatewayRoute.
pub(crate) fn mesh_gateway_route(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
    let body = whole(body);
    let of_protocol = |protocol: &str| {
        let rules = list(&body, &format!("/conf/{protocol}/rules"));
        let backends = rules.filter_map(|rule| rule.get("backends")?.as_array()).flatten();
        backends.filter_map(|backend| pairs(backend.get("destination")?)).collect::<Vec<_>>()
    };
    Spec::MeshGatewayRoute(MeshGatewayRoute {
        destinations: ["tcp", "tls", "http"].into_iter().flat_map(of_protocol).collect(),
    })
}

/// Reads a VirtualOutbound.
pub(crate) fn virtual_outbound(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
    let body = whole(body);
    let key = |one: &Value| one.get("tagKey").or_else(|| one.get("name"))?.as_str().map(str::to_owned);
    Spec::VirtualOutbound(VirtualOutbound {
        selectors: list(&body, "/selectors").filter_map(|one| pairs(one.get("match")?)).collect(),
        tag_keys: list(&body, "/conf/parameters").filter_map(key).collect(),
    })
}

fn list<'v>(body: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    body.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn pairs(value: &Value) -> Option<Tags> {
    let pairs = value.as_object()?.iter();
    Some(pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
}
