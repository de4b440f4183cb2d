//! Checks `identity` and `sni`: which identity a proxy has, and by which names services are routed to.

use model::{Kind, Resource};
use plan::{best_identity, hashed_sni, readable_sni, spiffe_id};
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::proxy;
use crate::request::{Failure, Request};

/// Check `identity`: the MeshIdentity that a Dataplane uses, and its SPIFFE ID.
pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let (snapshot, key) = (&resources.snapshot, request.proxy());
    let dataplane = snapshot
        .named(Kind::Dataplane, key.mesh.as_str(), key.name.as_str())
        .ok_or_else(|| Failure::Error(format!("there is no Dataplane {key}")))?;
    let Some((resource, identity)) = best_identity(snapshot, dataplane) else {
        return Ok(json!({ "identity": null }));
    };
    let zone = snapshot.context().zone.as_deref();
    let mut found = json!({ "identity": resource.meta().name.as_str() });
    if let Ok(id) = spiffe_id(snapshot.profile(), dataplane, resource, identity, zone) {
        found["spiffeID"] = id.into();
    }
    Ok(found)
}

/// Check `sni`: the server name of one port of a service.
pub(crate) fn server_name(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let service = named(request, &resources)?;
    if request.params["format"] == "kri" {
        let section = &request.params["section"];
        let section = section.as_str().map_or_else(|| section.to_string(), str::to_owned);
        return Ok(match readable_sni(&service.id().with_section(section)) {
            Ok(sni) => json!({ "valid": true, "sni": sni }),
            Err(_) => json!({ "valid": false }),
        });
    }
    let port = request.params["port"].as_u64().and_then(|port| u32::try_from(port).ok()).unwrap_or_default();
    let system_namespace = &resources.snapshot.context().system_namespace;
    Ok(json!({ "sni": hashed_sni(service, port, system_namespace) }))
}

fn named<'r>(request: &Request, resources: &'r Resources) -> Result<&'r Resource, Failure> {
    let resource = &request.params["resource"];
    let text = |key: &str| resource[key].as_str().unwrap_or_default();
    let kind = Kind::from_text(text("type"));
    kind.and_then(|kind| resources.snapshot.named(kind, text("mesh"), text("name")))
        .ok_or_else(|| Failure::Error(format!("there is no resource {resource}")))
}
