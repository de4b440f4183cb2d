//! Reasons why a route policy that selects a proxy concerns none of its outbounds.

use model::reference::SERVICE_TAG;
use model::{Kind, Profile, RefKind, Resource, Spec, Tags, TargetRef};

use crate::matching::policy_of;
use crate::merge::resolve;
use crate::plan::IgnoredBecause;
use crate::view::View;

impl View<'_> {
    /// Returns the best reason among those of its items: a destination that is not dialled is better than one that
    /// does not exist, which is better than one of a kind that the profile does not know.
    pub(super) fn why_unheard(&self, policy: &Resource) -> IgnoredBecause {
        let items = policy_of(policy).map(|policy| policy.to.as_slice()).unwrap_or_default();
        let mut missing = None;
        let mut known = false;
        for item in items {
            if self.profile().specificity(item.target.kind) == 0 {
                continue;
            }
            known = true;
            if self.exists(policy, &item.target) {
                return IgnoredBecause::NoSuchOutbound;
            }
            missing.get_or_insert_with(|| {
                format!("{}{}", item.target, place(policy, &item.target, self.profile()))
            });
        }
        match missing {
            Some(looked_for) => IgnoredBecause::DestinationNotFound { looked_for },
            None if items.is_empty() => IgnoredBecause::NothingToSay,
            None if known => IgnoredBecause::NoSuchOutbound,
            None => IgnoredBecause::KindUnknownToProfile,
        }
    }

    /// Returns `true` if the destination exists: a real one, or one that some proxy offers by tag.
    fn exists(&self, policy: &Resource, target: &TargetRef) -> bool {
        let is_real = self.profile().has_resource_rules()
            && !resolve(self.destinations(), &policy.id(), target).is_empty();
        is_real || self.is_offered_by_tag(target)
    }

    fn is_offered_by_tag(&self, target: &TargetRef) -> bool {
        let name = match target.kind {
            RefKind::MeshService | RefKind::MeshServiceSubset => target.name.as_deref(),
            kind => return kind == RefKind::Mesh,
        };
        let Some(name) = name.filter(|_| self.profile().has_tag_rules()) else { return false };
        let service = Tags::from_iter([(SERVICE_TAG, name)]);
        self.reader().is_offered(self.mesh_name(), name)
            || self.of_kind(Kind::ExternalService).iter().any(|resource| {
                matches!(resource.spec(), Spec::ExternalService(external) if service.matches(&external.tags))
            })
    }
}

/// Returns the place where it was looked for, in words. Names are looked up beside the policy: in its zone and
/// namespace (spec 03 §6.4).
fn place(policy: &Resource, target: &TargetRef, profile: Profile) -> String {
    if target.labels.as_ref().is_some_and(|labels| !labels.is_empty()) {
        return String::new();
    }
    if profile.refers_by_labels_only() {
        return " without labels, which are the only way to say which one".to_owned();
    }
    let namespace = target.namespace.is_none().then(|| policy.meta().namespace());
    let places = [("zone", Some(policy.meta().zone())), ("namespace", namespace)];
    let said =
        places.into_iter().filter_map(|(what, name)| Some((what, name.filter(|name| !name.is_empty())?)));
    said.map(|(what, name)| format!(" in {what} {name}")).collect()
}
