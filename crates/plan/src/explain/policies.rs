//! Outcome of every route policy of the mesh for one proxy, or the reason why it does not select it.

use std::collections::BTreeSet;

use model::{Kind, ProxyType, RefKind, Resource, ResourceId, Spec, TargetRef};

use super::{PolicyExplanation, policy};
use crate::matching::Shadows;
use crate::plan::{Plan, PolicyOrigin, RouteStatus};
use crate::view::View;

/// Returns the policies of the mesh, those that select the proxy first.
pub(super) fn of_mesh(view: &View<'_>, plan: &Plan) -> Vec<PolicyExplanation> {
    let mut explained = Vec::new();
    let mut told: BTreeSet<ResourceId> = BTreeSet::new();
    for status in &plan.routes {
        let RouteStatus { policy: origin, kind: _, outcome, decides, unresolved } = &**status;
        told.insert(origin.policy.clone());
        let mut status = policy(origin, outcome);
        if !decides.is_empty() {
            status.why = format!("decides {}", decides.join(", "));
        }
        for (reference, why) in unresolved {
            status.why += &format!("; {reference}: {why}");
        }
        explained.push(status);
    }
    for kind in [Kind::MeshTCPRoute, Kind::MeshHTTPRoute] {
        for resource in view.of_kind(kind).iter().filter(|resource| !told.contains(&resource.id())) {
            let Spec::Policy(spec) = resource.spec() else { continue };
            let mesh = TargetRef::of_kind(RefKind::Mesh);
            let why = why_not(view, resource, spec.target.as_ref().unwrap_or(&mesh));
            explained.push(PolicyExplanation {
                policy: origin(resource).to_string(),
                outcome: "not selected".to_owned(),
                why,
            });
        }
    }
    explained
}

fn origin(resource: &Resource) -> PolicyOrigin {
    PolicyOrigin::of(resource)
}

/// Returns the reason why a policy does not select the proxy.
fn why_not(view: &View<'_>, resource: &Resource, target: &TargetRef) -> String {
    if let Some(warning) = view.match_policies([resource], Shadows::Included).warnings.first() {
        return warning.clone();
    }
    if !view.is_reached_by(resource) {
        let meta = resource.meta();
        return format!(
            "it is of zone `{}` and namespace `{}`, and does not reach this proxy from there",
            meta.zone(),
            meta.namespace()
        );
    }
    let dataplane = view.dataplane();
    let own = if dataplane.gateway.is_some() { ProxyType::Gateway } else { ProxyType::Sidecar };
    if target.proxy_types.as_ref().is_some_and(|types| !types.is_empty() && !types.contains(&own)) {
        return format!("its proxyTypes do not contain {own:?}");
    }
    if dataplane.inbound.is_empty() && dataplane.gateway.is_none() {
        return "the proxy has no inbound, and policies select proxies by their inbounds".to_owned();
    }
    if dataplane.delegated_gateway().is_some() && !view.profile().selects_delegated_gateways() {
        return format!("profile {} selects no delegated gateway", view.profile());
    }
    match target.kind {
        RefKind::MeshSubset | RefKind::MeshService | RefKind::MeshServiceSubset => {
            let tags: Vec<String> = match &dataplane.gateway {
                Some(gateway) => vec![gateway.tags.to_string()],
                None => dataplane.inbound.iter().map(|inbound| inbound.tags.to_string()).collect(),
            };
            format!("its targetRef is {target}, and the proxy has {}", tags.join(" and "))
        }
        RefKind::MeshGateway => match view.gateway() {
            Some((gateway, _)) => {
                format!("its targetRef is {target}, and the proxy serves {}", gateway.meta().display_name())
            }
            None => format!("its targetRef is {target}, and the proxy serves no MeshGateway"),
        },
        RefKind::Dataplane => {
            let meta = view.resource().meta();
            format!(
                "its targetRef is {target}, and the proxy is {} with labels {}",
                meta.display_name(),
                meta.labels
            )
        }
        RefKind::Mesh
        | RefKind::MeshExternalService
        | RefKind::MeshMultiZoneService
        | RefKind::MeshHTTPRoute => format!("its targetRef is {target}"),
    }
}
