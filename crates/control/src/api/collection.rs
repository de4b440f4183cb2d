//! Collections that can be listed: every kind of resource, and computed insights. One table; paths, `/_resources` and
//! `/policies` are derived from it.

use model::Kind;
use model::kind::Scope;
use serde_json::{Value, json};

/// Collection that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    /// Stored resources of a kind.
    Kept(Kind),
    /// Insights, computed on request.
    Computed(Insight),
}

/// Summary of resources and proxies, computed on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insight {
    Dataplane,
    Mesh,
    Service,
    Zone,
    ZoneIngress,
    ZoneEgress,
}

impl Insight {
    const ALL: [Insight; 6] = [
        Insight::Dataplane,
        Insight::Mesh,
        Insight::Service,
        Insight::Zone,
        Insight::ZoneIngress,
        Insight::ZoneEgress,
    ];

    /// Returns name, path and scope.
    const fn row(self) -> (&'static str, &'static str, Scope) {
        match self {
            Insight::Dataplane => ("DataplaneInsight", "dataplane-insights", Scope::Mesh),
            Insight::Mesh => ("MeshInsight", "mesh-insights", Scope::Global),
            Insight::Service => ("ServiceInsight", "service-insights", Scope::Mesh),
            Insight::Zone => ("ZoneInsight", "zone-insights", Scope::Global),
            Insight::ZoneIngress => ("ZoneIngressInsight", "zone-ingress-insights", Scope::Global),
            Insight::ZoneEgress => ("ZoneEgressInsight", "zoneegressinsights", Scope::Global),
        }
    }
}

impl Collection {
    /// Returns every collection, by name.
    pub(super) fn all() -> Vec<Self> {
        let kept = Kind::ALL.iter().copied().map(Collection::Kept);
        let mut all: Vec<Self> = kept.chain(Insight::ALL.map(Collection::Computed)).collect();
        all.sort_by_key(|collection| collection.name());
        all
    }

    /// Returns the collection at a path; some have a second path.
    pub(super) fn at(path: &str) -> Option<Self> {
        let found = Self::all().into_iter().find(|collection| collection.path() == path);
        found.or(match path {
            "global-secrets" => Some(Collection::Kept(Kind::GlobalSecret)),
            "zone-ingresses" => Some(Collection::Kept(Kind::ZoneIngress)),
            "zone-egress-insights" => Some(Collection::Computed(Insight::ZoneEgress)),
            _ => None,
        })
    }

    /// Name of the kind, as in `type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Collection::Kept(kind) => kind.as_str(),
            Collection::Computed(computed) => computed.row().0,
        }
    }

    /// Path, below the mesh where there is one.
    pub(super) fn path(self) -> &'static str {
        match self {
            Collection::Kept(kind) => kind.plural(),
            Collection::Computed(computed) => computed.row().1,
        }
    }

    /// Short name in identifiers; empty if there is none.
    fn short_name(self) -> &'static str {
        match self {
            Collection::Kept(kind) if kind.has_kri() => kind.short_name().unwrap_or_default(),
            Collection::Kept(_) | Collection::Computed(_) => "",
        }
    }

    /// Scope of its items.
    pub(super) fn scope(self) -> Scope {
        match self {
            Collection::Kept(kind) => kind.scope(),
            Collection::Computed(computed) => computed.row().2,
        }
    }

    /// Returns `true` for policies that are attached to parts of proxies in the shape of older clients.
    pub(super) fn is_attached(self) -> bool {
        matches!(self, Collection::Kept(kind) if is_legacy_policy(kind))
    }

    /// Returns `true` for policies of either generation.
    pub(super) fn is_of_policies(self) -> bool {
        matches!(self, Collection::Kept(kind) if kind.is_policy() || is_legacy_policy(kind))
    }

    /// Returns `true` if the collection is meshtcp's own.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Collection::Kept(kind) if kind.is_own())
    }

    /// Returns `true` if only admins may see it.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Collection::Kept(Kind::Secret | Kind::GlobalSecret))
    }

    /// Returns its row in `/_resources`.
    pub(super) fn described(self) -> Value {
        let mut row = json!({
            "name": self.name(),
            "scope": match self.scope() { Scope::Mesh => "Mesh", Scope::Global => "Global" },
            "path": self.path(),
            "readOnly": matches!(self, Collection::Computed(_)),
            "includeInFederation": matches!(self, Collection::Kept(kind) if !stays_in_its_zone(kind) && !kind.is_own()),
            "singularDisplayName": singular(self.name()),
            "pluralDisplayName": plural(self.name()),
            "shortName": self.short_name(),
        });
        if let Collection::Kept(kind) = self
            && (kind.is_policy() || is_legacy_policy(kind))
        {
            let PolicyLists { to, from, rules } = PolicyLists::of(kind);
            row["policy"] = json!({
                "isTargetRef": kind.is_policy(),
                "hasToTargetRef": to,
                "hasFromTargetRef": from,
                "hasRulesTargetRef": rules,
                // a rule cannot express the target of such an item
                "isFromAsRules": from
                    && rules
                    && !matches!(kind, Kind::MeshFaultInjection | Kind::MeshTrafficPermission),
            });
        }
        row
    }

    /// Returns its row in `/policies`; `None`: it is no policy.
    pub(super) fn described_policy(self) -> Option<Value> {
        let Collection::Kept(kind) = self else { return None };
        let reach = PolicyLists::of(kind);
        (kind.is_policy() || is_legacy_policy(kind)).then(|| {
            json!({
                "name": self.name(),
                "readOnly": false,
                "path": self.path(),
                "singularDisplayName": singular(self.name()),
                "pluralDisplayName": plural(self.name()),
                "isExperimental": false,
                "isTargetRefBased": kind.is_policy(),
                "isInbound": reach.from || reach.rules,
                "isOutbound": reach.to,
            })
        })
    }
}

/// Lists that a kind of policy has beside its top-level target.
struct PolicyLists {
    to: bool,
    from: bool,
    rules: bool,
}

impl PolicyLists {
    fn of(kind: Kind) -> Self {
        let reach = |to, from, rules| PolicyLists { to, from, rules };
        match kind {
            Kind::MeshTCPRoute
            | Kind::MeshHTTPRoute
            | Kind::MeshRetry
            | Kind::MeshHealthCheck
            | Kind::MeshLoadBalancingStrategy
            | Kind::MeshTCPMirror => reach(true, false, false),
            Kind::MeshTimeout | Kind::MeshAccessLog | Kind::MeshCircuitBreaker | Kind::MeshRateLimit => {
                reach(true, true, true)
            }
            Kind::MeshFaultInjection => reach(true, true, true),
            Kind::MeshTrafficPermission | Kind::MeshTLS => reach(false, true, true),
            _ => reach(false, false, false),
        }
    }
}

/// Returns `true` for a policy of the tag-based model.
fn is_legacy_policy(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::TrafficRoute
            | Kind::Retry
            | Kind::Timeout
            | Kind::TrafficLog
            | Kind::TrafficPermission
            | Kind::HealthCheck
            | Kind::CircuitBreaker
            | Kind::VirtualOutbound
            | Kind::MeshGatewayRoute
            | Kind::TrafficTrace
            | Kind::FaultInjection
            | Kind::RateLimit
            | Kind::ProxyTemplate
    )
}

/// Returns `true` if a Global gets resources of the kind from zones only: an export for one leaves them out (spec 09
/// §7).
fn stays_in_its_zone(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Dataplane
            | Kind::MeshService
            | Kind::MeshZoneAddress
            | Kind::Workload
            | Kind::Zone
            | Kind::ZoneIngress
            | Kind::ZoneEgress
    )
}

/// Splits a name into words: `Mesh TCP Route`.
fn singular(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let starts = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase() || after.is_some_and(|after| after.is_lowercase())
            });
        if starts {
            text.push(' ');
        }
        text.push(*letter);
    }
    // a proper name
    text.replace("Open Telemetry", "OpenTelemetry")
}

/// Plural of a name, in words: `Mesh TCP Routes`.
fn plural(name: &str) -> String {
    let words = singular(name);
    let vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u');
    match words.strip_suffix('y').filter(|stem| !stem.ends_with(vowel)) {
        Some(stem) => format!("{stem}ies"),
        None if words.ends_with(['s', 'S']) || words.ends_with("sh") || words.ends_with("ch") => {
            format!("{words}es")
        }
        None => format!("{words}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_words() {
        let of = |name| (singular(name), plural(name));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(of("MeshTCPRoute"), pair("Mesh TCP Route", "Mesh TCP Routes"));
        assert_eq!(of("MeshTLS"), pair("Mesh TLS", "Mesh TLSes"));
        assert_eq!(of("MeshRetry"), pair("Mesh Retry", "Mesh Retries"));
        assert_eq!(
            of("MeshLoadBalancingStrategy"),
            pair("Mesh Load Balancing Strategy", "Mesh Load Balancing Strategies")
        );
        assert_eq!(of("Mesh"), pair("Mesh", "Meshes"));
        assert_eq!(of("ZoneIngress"), pair("Zone Ingress", "Zone Ingresses"));
        assert_eq!(of("MeshGateway"), pair("Mesh Gateway", "Mesh Gateways"));
    }

    #[test]
    fn every_collection_is_found_at_its_path() {
        for collection in Collection::all() {
            assert_eq!(Collection::at(collection.path()), Some(collection), "{}", collection.path());
        }
        assert_eq!(Collection::at("zone-ingresses"), Some(Collection::Kept(Kind::ZoneIngress)));
        assert_eq!(Collection::at("globalsecrets"), Collection::at("global-secrets"));
        assert_eq!(Collection::at("Meshes"), None);
    }
}
