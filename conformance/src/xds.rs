//! Checks `xds`, `xds-ingress`, `xds-egress` and `xds-zone-proxy`: what MeshTCPRoute produces for a proxy and nothing else, and what a zone
//! proxy is told.

use std::collections::BTreeMap;

use dialect::envoy::{self, CertificateKey, EnvoyOptions, EnvoyResources, SplitLayout};
use model::ResourceName;
use plan::{Direction, ProxyId, Snapshot, plan};
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::inbound_xds::with_secret;
use crate::proxy;
use crate::reference;
use crate::request::{Failure, Request};

pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let egresses = proxy::zone_egresses(request).into_iter().map(Into::into);
    let all = resources.listed.iter().cloned().chain(egresses);
    let asked = &request.params["proxy"];
    let key = proxy::key(asked);
    let mut context = resources.snapshot.context().clone();
    context.dialled =
        proxy::dialled(asked, &resources.snapshot)?.map(|it| (key.clone(), it)).into_iter().collect();
    let snapshot = Snapshot::new(all, context);
    let plan = plan(&snapshot, &key.clone().into())
        .ok_or_else(|| Failure::Error(format!("there is no Dataplane {key}")))?;
    let options = EnvoyOptions {
        split: SplitLayout::Clusters,
        certificate_key: match request.params["certificateKeyType"].as_str() {
            Some("ecdsa") => CertificateKey::Ecdsa,
            _ => CertificateKey::Rsa,
        },
    };
    let EnvoyResources { listeners, clusters, endpoints, notes: _ } = reference::lower(plan, &options);
    Ok(json!({
        "listeners": listed(&listeners),
        "clusters": listed(&clusters),
        "endpoints": listed(&endpoints),
    }))
}

/// Checks `xds-ingress` and `xds-egress`: the configuration of a zone proxy, all types in one list.
pub(crate) fn zone_proxy(request: &Request, id: fn(ResourceName) -> ProxyId) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let name = request.params["proxy"]["name"].as_str().unwrap_or_default();
    let plan = plan(&resources.snapshot, &id(name.into()))
        .ok_or_else(|| Failure::Error(format!("there is no zone proxy {name}")))?;
    let EnvoyResources { listeners, clusters, endpoints, notes: _ } =
        envoy::lower(&plan, &EnvoyOptions::default());
    let all = clusters.iter().chain(&endpoints).chain(&listeners);
    let all: Vec<Value> = all.map(|(name, tree)| json!({ "name": name, "resource": tree })).collect();
    Ok(json!({ "resources": all }))
}

/// Check `xds-zone-proxy`: the configuration from the listeners of a Dataplane that carry across the border of its zone, all
/// types in one list. The labels of endpoints, and limits, are other modules'.
pub(crate) fn listeners_of_zone(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let key = request.proxy();
    let mut plan = plan(&resources.snapshot, &key.clone().into())
        .ok_or_else(|| Failure::Error(format!("there is no Dataplane {key}")))?;
    plan.listeners.retain(|listener| listener.direction == Direction::Zone);
    plan.redirected = None;
    let EnvoyResources { listeners, mut clusters, mut endpoints, notes: _ } =
        envoy::lower(&plan, &EnvoyOptions::default());
    endpoints.values_mut().for_each(proxy::without_labels);
    for tree in clusters.values_mut().filter_map(Value::as_object_mut) {
        tree.shift_remove("circuitBreakers");
    }
    let all = clusters.iter().chain(&endpoints).chain(&listeners);
    let named = |(name, tree)| json!({ "name": name, "resource": with_secret(tree, request) });
    Ok(json!({ "resources": all.map(named).collect::<Vec<_>>() }))
}

/// Resources in the form of delta discovery; an empty object when there is none.
fn listed(resources: &BTreeMap<String, Value>) -> Value {
    if resources.is_empty() {
        return json!({});
    }
    let resources: Vec<Value> =
        resources.iter().map(|(name, tree)| json!({ "name": name, "resource": tree })).collect();
    json!({ "resources": resources })
}
