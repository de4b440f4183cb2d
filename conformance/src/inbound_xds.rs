//! Checks `xds-inbound` and `rbac`: what Envoy is told of inbounds, and of who may connect.

use dialect::envoy::{self, EnvoyOptions, EnvoyResources};
use model::{Kind, Profile};
use plan::{Direction, Permissions, Plan, ProxyId, plan};
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::proxy;
use crate::request::{Failure, Request};

/// The filter of a listener for policies that matched already.
pub(crate) fn permission_filter(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let policies = resources.named(kind, &request.matched_policies());
    let text = |key: &str| request.params[key].as_str().unwrap_or_default();
    let permissions = plan::permissions_of(&policies, text("mesh"), request.profile)?;
    let permissions = permissions.unwrap_or_else(Permissions::nobody);
    Ok(envoy::permission_filter(&permissions, text("listener")))
}

/// Inbound listeners and their clusters, as the reference's generator of inbounds makes them; where there is a MeshTLS, the
/// listeners that it rewrites.
pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let key = request.proxy();
    let mut plan = plan(&resources.snapshot, &ProxyId::Dataplane(key.clone()))
        .ok_or_else(|| Failure::Error(format!("there is no Dataplane {key}")))?;
    let rewritten = resources.of_kind(Kind::MeshTLS).next().is_some();
    keep_inbounds(&mut plan, rewritten && request.profile >= Profile::V2_13);
    let EnvoyResources { listeners, mut clusters, endpoints: _, notes: _ } =
        envoy::lower(&plan, &EnvoyOptions::default());
    if rewritten {
        clusters.clear();
    }
    let mut listed = Vec::new();
    // the cases have no listener that is named after an IPv6 address
    let listeners = listeners.into_iter().filter(|(name, _)| !name.contains('['));
    for (name, mut tree) in clusters.into_iter().chain(listeners) {
        as_generated(&mut tree);
        listed.push(json!({ "name": name, "resource": with_secret(&tree, request) }));
    }
    Ok(json!({ "resources": listed }))
}

/// The reference's test makes the listeners of what is redirected for both address families, and asks for them only where
/// MeshTLS rewrites them; those of connections that leave are another module's.
fn keep_inbounds(plan: &mut Plan, with_redirected: bool) {
    plan.listeners.retain(|listener| listener.direction == Direction::Inbound);
    plan.redirected = plan.redirected.take().filter(|_| with_redirected).map(|mut redirected| {
        redirected.ipv6 = true;
        redirected.outbound = None;
        redirected
    });
}

/// With the generator's own times, which MeshTimeout overwrites, and without limits, which are another module's.
fn as_generated(tree: &mut Value) {
    if let Some(members) = tree.as_object_mut() {
        members.shift_remove("circuitBreakers");
    }
    if tree.get("connectTimeout").is_some() {
        tree["connectTimeout"] = "10s".into();
    }
    let redirected = tree.get("useOriginalDst").is_some();
    let chains = tree.get_mut("filterChains").and_then(Value::as_array_mut);
    let filters = chains.into_iter().flatten().filter_map(|chain| chain["filters"].as_array_mut()).flatten();
    for filter in filters.filter(|filter| !redirected && filter["name"] == "envoy.filters.network.tcp_proxy")
    {
        filter["typedConfig"]["idleTimeout"] = "7200s".into();
    }
}

/// The secret of a workload identity has the name that the case gives it.
pub(crate) fn with_secret(tree: &Value, request: &Request) -> Value {
    let identity = &request.params["workloadIdentity"];
    let Some(secret) = identity["secret"].as_str() else { return tree.clone() };
    let mesh = request.proxy().mesh;
    let text = tree.to_string().replace(&format!("\"kri_mid_{mesh}____\""), &json!(secret).to_string());
    serde_json::from_str(&text).unwrap_or_default()
}
