//! Policies about what an egress dials. No top-level targetRef selects an egress: those about a destination hold for
//! it, whoever's clients they are written for.

use model::policy::{LoadBalancingConf, Locality, Policy, PolicyConf as _, merged};
use model::reference::SERVICE_TAG;
use model::{Kind, RefKind, Resource, ResourceId, Tags, TargetRef};

use crate::matching::{Matched, policy_of};
use crate::plan::{ClusterSettings, PolicyList, PolicyOrigin, Sourced};
use crate::reader::Reader;
use crate::routing::settings::{self, SaidOfCluster};
use crate::rules::Rules;

/// Policies of one mesh about what its egress dials.
pub(super) struct Treatment<'r, 'a> {
    reader: &'r Reader<'a>,
    balancing: Vec<&'a Resource>,
    load_balancing: Rules,
    health_check: Rules,
    circuit_breaker: Rules,
}

impl<'r, 'a> Treatment<'r, 'a> {
    pub(super) fn of(reader: &'r Reader<'a>, mesh: &'a str) -> Self {
        let destinations = reader.destinations(mesh);
        let rules = |kind| {
            let policies = policies(reader, kind, mesh);
            destinations.merge(kind, &Matched { policies, ..Matched::default() })
        };
        Self {
            reader,
            balancing: policies(reader, Kind::MeshLoadBalancingStrategy, mesh),
            load_balancing: rules(Kind::MeshLoadBalancingStrategy),
            health_check: rules(Kind::MeshHealthCheck),
            circuit_breaker: rules(Kind::MeshCircuitBreaker),
        }
    }

    /// Returns the settings of a MeshExternalService. The preference of zones means nothing to what is in none.
    pub(super) fn of_service(&self, id: &ResourceId) -> ClusterSettings {
        let said = SaidOfCluster {
            timeout: None,
            load_balancing: self.load_balancing.for_resource(id),
            health_check: self.health_check.for_resource(id),
            circuit_breaker: self.circuit_breaker.for_resource(id),
        };
        ClusterSettings { locality: None, ..settings::of_cluster(self.reader, said, None) }
    }

    /// Returns the preference of zones for a tag-based service; absent: as the Mesh says. Policies for some clients
    /// only are left out, since an egress does not tell clients apart.
    pub(super) fn locality_of(&self, service: &str) -> Option<Sourced<Locality>> {
        let tags = Tags::from_iter([(SERVICE_TAG, service)]);
        let for_all = |policy: &Policy| policy.target.as_ref().is_none_or(|it| it.kind == RefKind::Mesh);
        let mut said: Vec<(&LoadBalancingConf, PolicyOrigin)> = Vec::new();
        for resource in &self.balancing {
            let Some(policy) = policy_of(resource).filter(|policy| for_all(policy)) else { continue };
            for (index, item) in
                policy.to.iter().enumerate().filter(|(_, item)| is_about(&item.target, &tags))
            {
                let origin = PolicyOrigin::of_item(resource, PolicyList::To, index);
                said.extend(LoadBalancingConf::of(&item.conf).map(|conf| (conf, origin)));
            }
        }
        let value = merged(said.iter().map(|(conf, _)| *conf))?.locality();
        let speaks = said.iter().rev().find(|(conf, _)| conf.locality.is_some());
        let (_, origin) = speaks.or(said.last())?;
        Some(Sourced { value, origin: origin.clone() })
    }
}

/// Returns the policies of a kind in a mesh that configure something, least important first.
fn policies<'a>(reader: &Reader<'a>, kind: Kind, mesh: &str) -> Vec<&'a Resource> {
    let is_shadow = |it: &Resource| reader.profile().knows_shadow_policies() && it.meta().is_shadow();
    let all = reader.in_mesh(kind, mesh).iter().map(AsRef::as_ref);
    let mut matched = Matched { policies: all.filter(|it| !is_shadow(it)).collect(), ..Matched::default() };
    matched.sort(reader.profile());
    matched.policies
}

fn is_about(target: &TargetRef, tags: &Tags) -> bool {
    let is_named = || target.name.as_deref() == tags.service();
    match target.kind {
        RefKind::Mesh => true,
        RefKind::MeshSubset => target.tags.matches(tags),
        RefKind::MeshService => is_named(),
        RefKind::MeshServiceSubset => is_named() && target.tags.matches(tags),
        RefKind::MeshGateway
        | RefKind::Dataplane
        | RefKind::MeshHTTPRoute
        | RefKind::MeshExternalService
        | RefKind::MeshMultiZoneService => false,
    }
}
