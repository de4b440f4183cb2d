//! Check `matched-policies`: which policies select a proxy, least important first.

use plan::Shadows;
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::request::{Failure, Request};

pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let view = resources.view(request)?;
    let policies = resources.of_kind(request.policy_kind()?);
    let matched = view.match_policies(policies, Shadows::LeftOut);
    let listed = matched.policies.iter().map(|resource| {
        let meta = resource.meta();
        json!({
            "type": resource.kind().as_str(),
            "mesh": meta.mesh.as_str(),
            "name": meta.name.as_str(),
            "kri": resource.id().to_string(),
        })
    });
    Ok(json!({ "matched": listed.collect::<Vec<_>>() }))
}
