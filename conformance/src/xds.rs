//! Checks `xds` and `xds-ingress`: what MeshTCPRoute produces for a proxy and nothing else, and what a zone
//! ingress is told.

use std::collections::BTreeMap;

use dialect::envoy::{self, CertificateKey, EnvoyOptions, EnvoyResources, Scope, SplitLayout};
use plan::{Plan, Snapshot, plan_ingress};
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::proxy;
use crate::request::{Failure, Request};

pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let egresses = proxy::zone_egresses(request).into_iter().map(Into::into);
    let all = resources.listed.iter().cloned().chain(egresses);
    let snapshot = Snapshot::new(all, resources.snapshot.context().clone());
    let plan = plan_of(request, &snapshot)?;
    let options = EnvoyOptions {
        split: SplitLayout::Clusters,
        scope: Scope::TcpRoutes,
        certificate_key: match request.params["certificateKeyType"].as_str() {
            Some("ecdsa") => CertificateKey::Ecdsa,
            _ => CertificateKey::Rsa,
        },
    };
    let EnvoyResources { listeners, clusters, endpoints, notes: _ } = envoy::lower(&plan, &options);
    Ok(json!({
        "listeners": listed(&listeners),
        "clusters": listed(&clusters),
        "endpoints": listed(&endpoints),
    }))
}

/// Check `xds-ingress`: the configuration of a zone ingress, all types in one list.
pub(crate) fn ingress(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::with_context(request, proxy::context(request))?;
    let name = request.params["proxy"]["name"].as_str().unwrap_or_default();
    let plan = plan_ingress(&resources.snapshot, name)
        .ok_or_else(|| Failure::Error(format!("there is no ZoneIngress {name}")))?;
    let EnvoyResources { listeners, clusters, endpoints, notes: _ } = envoy::lower_ingress(&plan);
    let all = clusters.iter().chain(&endpoints).chain(&listeners);
    let all: Vec<Value> = all.map(|(name, tree)| json!({ "name": name, "resource": tree })).collect();
    Ok(json!({ "resources": all }))
}

fn plan_of(request: &Request, snapshot: &Snapshot) -> Result<Plan, Failure> {
    let asked = &request.params["proxy"];
    let key = proxy::key(asked);
    let view =
        snapshot.seen_by(&key).ok_or_else(|| Failure::Error(format!("there is no Dataplane {key}")))?;
    let rules = view.proxy_rules();
    Ok(match proxy::dialled(asked, snapshot)? {
        Some(dialled) => view.route_dialled(&rules, dialled),
        None => view.route(&rules),
    })
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
