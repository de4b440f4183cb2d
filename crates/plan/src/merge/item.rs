//! Item of a policy's `to` or `from` list, with all that merging needs to know about it.

use model::policy::{Conf, Policy, PolicyItem};
use model::{Resource, TargetRef};

use crate::matching::policy_of;
use crate::plan::{PolicyList, PolicyOrigin};

/// One item of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// Policy with its metadata.
    pub(crate) resource: &'a Resource,
    /// Policy that the item is in.
    pub(crate) policy: &'a Policy,
    /// List that it is in.
    pub(crate) list: PolicyList,
    /// Index in the list.
    pub(crate) index: usize,
    /// Destination or source that it is about.
    pub(crate) target: &'a TargetRef,
    /// Conf of the item.
    pub(crate) conf: &'a Conf,
}

impl Item<'_> {
    /// Policy and the place in it.
    pub(crate) fn origin(&self) -> PolicyOrigin {
        PolicyOrigin::of_item(self.resource, self.list, self.index)
    }

    /// Returns `true` if both come from the same policy. Policies are compared by address, not by name: two of them
    /// may share a name.
    pub(crate) fn same_policy(&self, other: &Item<'_>) -> bool {
        std::ptr::eq(self.resource, other.resource)
    }
}

/// Returns the `to` items of policies, in the order of the policies and of their lists.
pub(crate) fn to_items<'a>(policies: &[&'a Resource]) -> Vec<Item<'a>> {
    items(policies, PolicyList::To, |policy| &policy.to)
}

/// Returns the `from` items of policies, in the order of the policies and of their lists.
pub(crate) fn from_items<'a>(policies: &[&'a Resource]) -> Vec<Item<'a>> {
    items(policies, PolicyList::From, |policy| &policy.from)
}

fn items<'a>(
    policies: &[&'a Resource],
    list: PolicyList,
    of: impl Fn(&'a Policy) -> &'a [PolicyItem],
) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for resource in policies {
        let Some(policy) = policy_of(resource) else { continue };
        for (index, item) in of(policy).iter().enumerate() {
            let PolicyItem { target, conf, backend_refs: _ } = item;
            items.push(Item { resource, policy, list, index, target, conf });
        }
    }
    items
}
