//! Selection of dataplanes as endpoints of a service.

use model::topology::{Dataplane, Inbound, ServiceSelector};
use model::{Resource, Spec};

/// Returns `true` if a service selects a dataplane as an endpoint.
pub(super) fn selects(selector: &ServiceSelector, found: &Resource) -> bool {
    let Spec::Dataplane(Dataplane { inbound, .. }) = found.spec() else { return false };
    match selector {
        ServiceSelector::None => false,
        ServiceSelector::Tags(tags) => inbound.iter().any(|Inbound { tags: has, .. }| tags.matches(has)),
        ServiceSelector::Name { name, namespace } => {
            found.meta().display_name() == name
                && namespace.as_deref().is_none_or(|namespace| found.meta().namespace() == namespace)
        }
        ServiceSelector::Labels(labels) => labels.matches(&found.meta().labels),
    }
}
