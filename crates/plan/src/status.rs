//! What became of each route policy: the truth that `explain`, the plan and the REST API tell.

mod reach;

use std::collections::BTreeSet;

use model::{Kind, Resource, ResourceId};

use crate::matching::Shadows;
use crate::plan::{
    Fate, GatewayListener, IgnoredBecause, Outbound, Outcome, PolicyOrigin, RouteStatus, Unusable,
};
use crate::view::View;

impl View<'_> {
    /// What became of each MeshTCPRoute and MeshHTTPRoute that selects the proxy, given what was made of its outbounds
    /// and gateway listeners. Sorted by policy.
    pub fn route_statuses(&self, outbounds: &[Outbound], listeners: &[GatewayListener]) -> Vec<RouteStatus> {
        let mut statuses: Vec<RouteStatus> = [Kind::MeshTCPRoute, Kind::MeshHTTPRoute]
            .into_iter()
            .flat_map(|kind| {
                self.read(kind);
                self.match_policies(self.candidates(kind), Shadows::Included).policies
            })
            .map(|policy| self.route_status(policy, outbounds, listeners))
            .collect();
        statuses.sort_by(|a, b| (&a.policy.policy, &a.policy.name).cmp(&(&b.policy.policy, &b.policy.name)));
        statuses
    }

    fn route_status(
        &self,
        policy: &Resource,
        outbounds: &[Outbound],
        listeners: &[GatewayListener],
    ) -> RouteStatus {
        let id = policy.id();
        let by_this = |origin: &PolicyOrigin| origin.policy == id && policy.meta.name == origin.name.as_str();
        let mut outcomes: BTreeSet<Outcome> = BTreeSet::new();
        let mut decides = Vec::new();
        for outbound in outbounds {
            let own = outbound.considered.iter().filter(|considered| by_this(&considered.origin));
            let own: Vec<&Outcome> = own.map(|considered| &considered.outcome).collect();
            if own.contains(&&Outcome::Applied) {
                decides.push(outbound.name.clone());
            }
            outcomes.extend(own.into_iter().cloned());
        }
        for listener in listeners {
            if listener.hosts.iter().any(|host| host.origins.iter().any(by_this)) {
                decides.push(listener.name.clone());
                outcomes.insert(Outcome::Applied);
            }
        }
        let is_shadow = self.profile().knows_shadow_policies() && policy.meta.is_shadow();
        let outcome = match outcomes.into_iter().next() {
            _ if is_shadow => Outcome::Ignored(IgnoredBecause::Shadow),
            // `Applied` is the least of all outcomes, `Shadowed` comes next: the best is told.
            Some(outcome) => outcome,
            None => Outcome::Ignored(self.why_unheard(policy)),
        };
        RouteStatus {
            policy: origin_of(policy, id.clone()),
            kind: policy.kind(),
            outcome,
            decides,
            unresolved: unresolved(outbounds, listeners, by_this),
        }
    }
}

fn origin_of(policy: &Resource, id: ResourceId) -> PolicyOrigin {
    let meta = &policy.meta;
    PolicyOrigin { policy: id, name: meta.name.as_str().to_owned(), item: None, source: meta.source.clone() }
}

/// The backendRefs of a policy that cannot be used, wherever it decides; each once.
fn unresolved(
    outbounds: &[Outbound],
    listeners: &[GatewayListener],
    by_this: impl Fn(&PolicyOrigin) -> bool,
) -> Vec<(String, Unusable)> {
    let of_outbounds = outbounds.iter().flat_map(|outbound| &outbound.split);
    let hosts = listeners.iter().flat_map(|listener| &listener.hosts);
    let of_listeners = hosts.flat_map(|host| &host.split);
    let mut found: Vec<(String, Unusable)> = Vec::new();
    for backend in of_outbounds.chain(of_listeners) {
        let why = match &backend.fate {
            Fate::Spilled(why) | Fate::Refused(why) => why,
            Fate::Routed { .. } => continue,
        };
        let is_meant = *why == Unusable::ZeroWeight || !backend.origin.as_ref().is_some_and(&by_this);
        let entry = (backend.reference.clone(), why.clone());
        if !is_meant && !found.contains(&entry) {
            found.push(entry);
        }
    }
    found
}
