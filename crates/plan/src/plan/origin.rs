//! Origins of the values of a plan.

use std::ops::Deref;
use std::sync::Arc;

use model::{Resource, ResourceId};
use serde::{Serialize, Serializer};
use serde_json::json;

/// Policy, and the place in it, that a value comes from. Cloning shares it: many values of many plans come from one
/// place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyOrigin(Arc<PolicyPlace>);

/// Policy, and a place in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyPlace {
    /// Policy that the value comes from.
    pub policy: ResourceId,
    /// Stored name, which differs from the display name in `policy` on synchronised copies.
    pub name: String,
    /// List that the item is in; meaningless without an item.
    pub list: PolicyList,
    /// Index of the item in the list; absent: the policy has no list.
    pub item: Option<usize>,
    /// Place where the policy was written, as `file:line`; may be empty.
    pub source: Arc<str>,
}

/// List of items in a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyList {
    /// About destinations.
    #[default]
    To,
    /// About clients.
    From,
    /// About inbounds.
    Rules,
}

impl PolicyList {
    /// Name of the list in a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            PolicyList::To => "to",
            PolicyList::From => "from",
            PolicyList::Rules => "rules",
        }
    }
}

impl PolicyOrigin {
    /// A whole policy.
    pub(crate) fn of(policy: &Resource) -> Self {
        Self::new(policy, PolicyList::default(), None)
    }

    /// An item of a policy, by its index in a list.
    pub(crate) fn of_item(policy: &Resource, list: PolicyList, index: usize) -> Self {
        Self::new(policy, list, Some(index))
    }

    fn new(policy: &Resource, list: PolicyList, item: Option<usize>) -> Self {
        let meta = policy.meta();
        let name = meta.name.as_str().to_owned();
        let source = Arc::clone(&meta.source);
        Self(Arc::new(PolicyPlace { policy: policy.id(), name, list, item, source }))
    }
}

/// Serializes as in the JSON of a plan; `at` is the place in the policy, or null.
impl Serialize for PolicyOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PolicyPlace { policy, name, list: _, item: _, source } = &**self;
        let at = Some(self.place("")).filter(|at| !at.is_empty());
        let place = json!({
            "kind": policy.kind.as_str(),
            "mesh": policy.mesh,
            "name": name,
            "kri": policy.to_string(),
            "at": at,
            "source": source.as_ref(),
        });
        place.serialize(serializer)
    }
}

impl Deref for PolicyOrigin {
    type Target = PolicyPlace;
    fn deref(&self) -> &PolicyPlace {
        &self.0
    }
}

impl PolicyPlace {
    /// Returns the place in the policy, e.g. `to[0].default`, from the path `within` the item; empty if the policy
    /// has no list.
    pub fn place(&self, within: &str) -> String {
        let place = self.item.map(|index| format!("{}[{index}]{within}", self.list.as_str()));
        place.unwrap_or_default()
    }
}
