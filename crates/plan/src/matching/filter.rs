//! From which zones and namespaces a policy reaches a proxy (2.9+, spec 03 §2.2).

use model::{Origin, PolicyRole, Resource};

use crate::view::View;

impl View<'_> {
    /// Whether the policy reaches the proxy at all, before anybody looks at its targetRef.
    pub(crate) fn is_reached_by(&self, policy: &Resource) -> bool {
        !self.profile().filters_zones_and_namespaces()
            || (self.shares_zone_with(policy) && self.shares_namespace_with(policy))
    }

    /// A policy of a zone stays there, unless a producer wrote it for clients everywhere. A proxy, or gateway, of which
    /// nobody said that a zone made it is seen from everywhere.
    fn shares_zone_with(&self, policy: &Resource) -> bool {
        let role = policy.meta().role();
        let proxy = self.gateway().map_or(self.resource().meta(), |(gateway, _)| gateway.meta());
        role == PolicyRole::Producer
            || proxy.origin() != Origin::Zone
            || policy.meta().origin() != Origin::Zone
            || policy.meta().zone().is_empty()
            || proxy.zone().is_empty()
            || policy.meta().zone() == proxy.zone()
    }

    /// A policy of a client or of a workload's owner stays in its namespace.
    fn shares_namespace_with(&self, policy: &Resource) -> bool {
        match policy.meta().role() {
            PolicyRole::System | PolicyRole::Producer => true,
            PolicyRole::Consumer | PolicyRole::WorkloadOwner => {
                let namespace = policy.meta().namespace();
                !namespace.is_empty() && namespace == self.resource().meta().namespace()
            }
        }
    }
}
