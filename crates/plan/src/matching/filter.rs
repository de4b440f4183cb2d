//! Filter of policies by zone and namespace (2.9+, spec 03 §2.2).

use model::{Origin, PolicyRole, Resource};

use crate::view::View;

impl View<'_> {
    /// Returns `true` if the policy reaches the proxy at all, whatever its targetRef selects.
    pub(crate) fn is_reached_by(&self, policy: &Resource) -> bool {
        !self.profile().filters_zones_and_namespaces()
            || (self.shares_zone_with(policy) && self.shares_namespace_with(policy))
    }

    /// Returns `true` if the zones of policy and proxy fit: a policy of a zone stays there, unless it is a producer
    /// policy for clients everywhere. A proxy, or gateway, without a zone of origin is reached from everywhere.
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

    /// Returns `true` if the namespaces fit: a policy of a client or of a workload's owner stays in its namespace.
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
