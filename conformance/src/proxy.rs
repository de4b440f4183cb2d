//! What a case says about the proxy besides resources.

use model::draft::{Document, parse_unchecked};
use model::{Kind, Profile, ProxyKey, Resource, ResourceId, Tags};
use plan::{Context, Dialled, DialledTarget, Snapshot};
use serde_json::{Value, json};

use crate::request::{Failure, Request};

/// What a control plane of the zone knows; `params.zone`, `params.workloadIdentity`,
/// `params.features`.
pub(crate) fn context(request: &Request) -> Context {
    let mut context = Context::new(request.profile);
    context.zone = request.params["zone"].as_str().map(str::to_owned);
    context.unannounced.workload_identity = has(&request.params["workloadIdentity"]);
    let listed = [&request.params["features"], &request.params["proxy"]["features"]];
    let features = || listed.iter().filter_map(|list| list.as_array()).flatten().filter_map(Value::as_str);
    let announces = |feature: &str| features().any(|announced| announced == feature);
    context.unannounced.unified_naming =
        has(&request.params["unifiedNaming"]) || announces("unified-resource-naming");
    context.unannounced.strict_inbound_ports = announces("strict-inbound-ports");
    context
}

fn has(param: &Value) -> bool {
    !matches!(param, Value::Null | Value::Bool(false))
}

/// The egresses of the zone that a case lists instead of writing them as resources.
pub(crate) fn zone_egresses(request: &Request) -> Vec<Resource> {
    let listed = request.params["zoneEgresses"].as_array();
    let egress = |(at, value): (usize, &Value)| {
        let place = value.get("networking").unwrap_or(value);
        let name = value["name"].as_str().map_or_else(|| format!("listed-{at}"), str::to_owned);
        let document = match request.profile {
            // there an egress is a listener of a Dataplane
            Profile::V3 => {
                let listener = json!({ "type": "ZoneEgress", "port": place["port"] });
                let networking = json!({ "address": place["address"], "listeners": [listener] });
                let mesh = key(&request.params["proxy"]).mesh;
                json!({ "type": "Dataplane", "mesh": mesh.as_str(), "name": name, "networking": networking })
            }
            _ => {
                json!({ "type": "ZoneEgress", "name": name, "zone": value["zone"], "networking": {
                    "address": place["address"].as_str()?,
                    "port": u16::try_from(place["port"].as_u64()?).ok()?,
                } })
            }
        };
        parse_unchecked(&Document::from_value("", document), request.profile).resource
    };
    listed.into_iter().flatten().enumerate().filter_map(egress).collect()
}

/// The proxy of `params.proxy`.
pub(crate) fn key(proxy: &Value) -> ProxyKey {
    ProxyKey::new(proxy["mesh"].as_str().unwrap_or("default"), proxy["name"].as_str().unwrap_or_default())
}

/// The outbounds of `params.proxy`, if it lists them.
pub(crate) fn dialled(proxy: &Value, snapshot: &Snapshot) -> Result<Option<Vec<Dialled>>, Failure> {
    let Some(outbounds) = proxy["outbounds"].as_array() else { return Ok(None) };
    outbounds.iter().map(|outbound| one(outbound, snapshot)).collect::<Result<_, _>>().map(Some)
}

fn one(outbound: &Value, snapshot: &Snapshot) -> Result<Dialled, Failure> {
    let target = match (&outbound["tags"], &outbound["resource"]) {
        (Value::Object(tags), _) => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            DialledTarget::Tags(tags.iter().map(|(key, value)| (key.clone(), text(value))).collect::<Tags>())
        }
        (_, resource) => DialledTarget::Resource(resource_id(resource, snapshot)?),
    };
    let port = outbound["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    Ok(Dialled {
        address: outbound["address"].as_str().unwrap_or("127.0.0.1").to_owned(),
        port: port.ok_or_else(|| Failure::Error("an outbound has no port".into()))?,
        target,
        marked: None,
    })
}

/// The identifier of a resource that is named as it is stored, or as it is displayed.
fn resource_id(resource: &Value, snapshot: &Snapshot) -> Result<ResourceId, Failure> {
    let text = |key: &str| resource[key].as_str().unwrap_or_default();
    let kind = Kind::from_text(text("type"))
        .ok_or_else(|| Failure::Error(format!("no kind is called `{}`", text("type"))))?;
    let stored = snapshot.named(kind, text("mesh"), text("name")).map(Resource::id);
    let displayed = ResourceId {
        kind,
        mesh: text("mesh").to_owned(),
        zone: text("zone").to_owned(),
        namespace: text("namespace").to_owned(),
        name: text("name").to_owned(),
        section: String::new(),
    };
    Ok(stored.unwrap_or(displayed).with_section(text("sectionName")))
}

/// A load assignment without the labels of Dataplanes.
pub(crate) fn without_labels(assignment: &mut Value) {
    let groups = assignment.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten();
    let endpoints = groups.filter_map(|group| group["lbEndpoints"].as_array_mut()).flatten();
    for endpoint in endpoints {
        let Some(metadata) = endpoint.pointer_mut("/metadata/filterMetadata").and_then(Value::as_object_mut)
        else {
            continue;
        };
        metadata.remove("io.kuma.labels");
        if metadata.is_empty() {
            endpoint.as_object_mut().map(|endpoint| endpoint.remove("metadata"));
        }
    }
}
