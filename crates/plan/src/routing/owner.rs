//! Owner of an outbound: the policy or default that decides where its connections go (spec 04 §1.1, §4).

use model::policy::TcpRouteConf;
use model::topology::Protocol;
use model::{BackendRef, Tags};

use super::ProxyRules;
use super::http::{self, WholeConnections};
use super::legacy::Legacy;
use super::matched::{self, Matched};
use super::split::{Side, Splitter};
use crate::dialled::DialledTarget;
use crate::merge::Destined;
use crate::plan::{Owner, PolicyOrigin, RulePlace};
use crate::rules::Merged;
use crate::view::View;

/// Rules about one outbound.
#[derive(Clone, Copy)]
pub(super) struct OutboundRules<'r> {
    pub(super) tcp: Option<&'r Merged>,
    pub(super) http: Option<&'r Merged>,
}

/// Decision about one outbound.
pub(super) struct Decision {
    pub(super) owner: Owner,
    /// Rule of the policy that decided.
    pub(super) rule: Option<RulePlace>,
    /// Sides of its split.
    pub(super) sides: Vec<Side>,
    /// `true`: backends must have a protocol that TCP is routed to.
    pub(super) checks_protocols: bool,
    /// Reason why connections are refused, if that is already decided.
    pub(super) refusal: Option<String>,
    /// `true`: the reference leaves the outbound without a listener.
    pub(super) reference_omits: bool,
}

/// Policies that decide about all outbounds of a proxy.
pub(super) struct Owners<'v, 'a> {
    pub(super) rules: &'v ProxyRules,
    /// Policies of the tag-based model.
    pub(super) legacy: Legacy<'a>,
    /// `true`: MeshTCPRoute leaves the proxy to TrafficRoute.
    pub(super) traffic_route_stays: bool,
    per_outbound: bool,
}

impl<'v, 'a> Owners<'v, 'a> {
    pub(super) fn of(view: &'v View<'a>, rules: &'v ProxyRules) -> Self {
        let legacy = Legacy::of(view);
        let per_outbound = view.profile().falls_back_to_traffic_route_per_outbound();
        // The reference looks at tag rules only (spec 04 §1.1).
        let has_no_rules =
            rules.tcp_route.tag.is_empty() && rules.tcp_route.listeners.values().all(Vec::is_empty);
        let traffic_route_stays = !per_outbound && legacy.has_routes() && has_no_rules;
        Self { rules, legacy, traffic_route_stays, per_outbound }
    }

    /// Returns the rules about a dialled destination.
    pub(super) fn about(&self, target: &DialledTarget, stat_name: &str) -> OutboundRules<'v> {
        let rules = self.rules;
        match target {
            DialledTarget::Tags(tags) => {
                let service = tags.service().unwrap_or_default();
                OutboundRules {
                    tcp: rules.tcp_route.for_service(service),
                    http: rules.http_route.for_service(service),
                }
            }
            DialledTarget::Resource(id) => OutboundRules {
                tcp: rules.tcp_route.for_destination(id, stat_name),
                http: rules.http_route.for_destination(id, stat_name),
            },
        }
    }

    /// Returns the rules about connections that no match takes; not all rules have some.
    pub(super) fn for_all(about: OutboundRules<'v>) -> OutboundRules<'v> {
        OutboundRules { tcp: about.tcp.filter(|merged| matched::is_for_all(merged)), ..about }
    }

    /// Decides about connections that a match takes.
    pub(super) fn by_match(matched: &Matched<'_>, splitter: &Splitter<'_, '_>) -> Decision {
        let Matched { claimed: _, place, backend_refs, origin, owner } = matched;
        let sides = splitter.sides(backend_refs, origin);
        Decision { rule: Some(*place), ..Decision::of(owner.clone(), sides) }
    }

    /// Decides about one outbound.
    pub(super) fn decide(
        &self,
        target: &DialledTarget,
        about: OutboundRules<'v>,
        protocol: Protocol,
        splitter: &mut Splitter<'_, '_>,
    ) -> Decision {
        let itself = || Splitter::itself(meaning(target));
        if let (true, Some(merged)) = (self.http_owns(about, protocol), about.http) {
            return self.by_http(merged, itself(), splitter);
        }
        if let (Some(merged), false) = (about.tcp, self.traffic_route_stays) {
            return self.by_tcp(merged, splitter);
        }
        if self.per_outbound || self.traffic_route_stays {
            return self.by_traffic_route(target, itself());
        }
        if protocol.is_http_like() {
            return Decision::of(Owner::HttpDefault, itself()).without_protocol_check();
        }
        Decision::of(Owner::Default, itself())
    }

    /// Returns `true` if MeshTCPRoutes decide where both sorts of routes apply.
    pub(super) fn tcp_decides(&self, about: OutboundRules<'v>, protocol: Protocol) -> bool {
        !self.http_owns(about, protocol) && !self.traffic_route_stays
    }

    fn http_owns(&self, about: OutboundRules<'v>, protocol: Protocol) -> bool {
        match (about.tcp, about.http) {
            (_, None) | (None, Some(_)) if self.per_outbound && about.tcp.is_none() => about.http.is_some(),
            (_, Some(_)) => protocol.is_http_like(),
            (_, None) => false,
        }
    }

    fn by_http(&self, merged: &Merged, itself: Vec<Side>, splitter: &mut Splitter<'_, '_>) -> Decision {
        let owner = Owner::HttpRoute(merged.origins.clone());
        match http::whole_connections(&self.rules.http_route, merged) {
            WholeConnections::To(refs, origin) => {
                let sides = if refs.is_empty() { itself } else { splitter.sides(&refs, &origin) };
                Decision::of(owner, sides).without_protocol_check()
            }
            WholeConnections::DependOnRequests(why) => {
                let name = merged.last_origin().map(|origin| origin.name.as_str()).unwrap_or_default();
                let refusal = format!(
                    "MeshHTTPRoute `{name}` decides here, and {why}: that cannot be carried as TCP connections"
                );
                Decision { refusal: Some(refusal), ..Decision::of(owner, Vec::new()) }
            }
        }
    }

    fn by_tcp(&self, merged: &Merged, splitter: &mut Splitter<'_, '_>) -> Decision {
        let owner = Owner::TcpRoute(merged.origins.clone());
        let said = merged.said::<TcpRouteConf>();
        let refs: &[BackendRef] = said.map(TcpRouteConf::backends).unwrap_or_default();
        let Some(origin) = self.rules.tcp_route.backend_ref_origin(merged, "") else {
            let refusal =
                "no policy is recorded as the source of the backendRefs, so none of them can be resolved";
            return Decision {
                refusal: Some(refusal.to_owned()),
                reference_omits: true,
                ..Decision::of(owner, Vec::new())
            };
        };
        let sides = splitter.sides(refs, origin);
        let dropped = sides.iter().all(|side| matches!(side.meaning, Destined::Dropped { .. }));
        let decision = Decision { reference_omits: dropped, ..Decision::of(owner, sides) };
        match said.filter(|said| !said.matched().is_empty()) {
            None => decision,
            Some(said) => Decision {
                owner: matched::owner(merged, origin),
                rule: Some(RulePlace::for_all(said.rule.unwrap_or_default() as usize)),
                ..decision
            },
        }
    }

    /// Decides by the TrafficRoute that fits best. If the mesh has none, the one created with each mesh before 2.6
    /// is assumed. Real destinations have no TrafficRoute: the reference gives them no listener; here connections
    /// go to the dialled destination.
    fn by_traffic_route(&self, target: &DialledTarget, itself: Vec<Side>) -> Decision {
        let tags: &Tags = match target {
            DialledTarget::Tags(tags) => tags,
            DialledTarget::Resource(_) => {
                return Decision { reference_omits: true, ..Decision::of(Owner::Default, itself) };
            }
        };
        if !self.legacy.has_routes() {
            return Decision::of(Owner::ImpliedTrafficRoute, itself).without_protocol_check();
        }
        match self.legacy.route(tags) {
            Some((origin, sides)) => {
                Decision::of(Owner::TrafficRoute(origin), sides).without_protocol_check()
            }
            None => Decision {
                refusal: Some(
                    "no TrafficRoute of the mesh is for this proxy and this destination".to_owned(),
                ),
                ..Decision::of(Owner::NoTrafficRoute, Vec::new())
            },
        }
    }
}

impl Decision {
    fn of(owner: Owner, sides: Vec<Side>) -> Self {
        // TCP has one rule for all connections per item, usually the first; an HTTP rule about whole connections is
        // the
        // only one of its item, and if there are several, connections are refused, whichever applies
        let rule = matches!(owner, Owner::TcpRoute(_) | Owner::HttpRoute(_)).then_some(RulePlace::for_all(0));
        Self { owner, rule, sides, checks_protocols: true, refusal: None, reference_omits: false }
    }

    fn without_protocol_check(self) -> Self {
        Self { checks_protocols: false, ..self }
    }

    /// Policy that named the backends.
    pub(super) fn origin(&self) -> Option<&PolicyOrigin> {
        self.sides.iter().find_map(|side| side.origin.as_ref())
    }
}

/// Returns the dialled destination as a backend: with all its tags (spec 04 §4.4).
fn meaning(target: &DialledTarget) -> Destined {
    match target {
        DialledTarget::Tags(tags) => Destined::Legacy {
            tags: tags.clone(),
            mesh: tags.get(model::reference::MESH_TAG).map(str::to_owned),
        },
        DialledTarget::Resource(id) => Destined::Real(id.clone()),
    }
}
