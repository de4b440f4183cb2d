//! Check `inspect`: the answer to a GET.

use model::ProxyKey;
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::request::{Failure, Request};

pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let path = request.params["request"]["path"].as_str().unwrap_or_default();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let resources = Resources::of(request)?;
    let answer = match parts[..] {
        ["meshes", mesh, "dataplanes", name, "_outbounds", kri, "_routes"] => {
            resources.snapshot.inspect_outbound_routes(&ProxyKey::new(mesh, name), kri)
        }
        _ => return Err(Failure::Unsupported(format!("GET {path}"))),
    };
    Ok(json!({ "status": answer.status, "body": answer.body }))
}
