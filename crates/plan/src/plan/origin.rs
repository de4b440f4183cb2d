//! Where a value of a plan comes from.

use std::ops::Deref;
use std::sync::Arc;

use model::{Resource, ResourceId};
use serde::{Serialize, Serializer};
use serde_json::json;

/// The policy, and the place in it, that a value comes from. Cloning shares it: many values of many plans come from one
/// place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyOrigin(Arc<PolicyPlace>);

/// A policy, and a place in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyPlace {
    /// The policy.
    pub policy: ResourceId,
    /// Its stored name, which differs from the display name in `policy` on synchronised copies.
    pub name: String,
    /// The index of the `to` item; absent where the policy has no list.
    pub item: Option<usize>,
    /// Where the policy was written: `file:line`; may be empty.
    pub source: Arc<str>,
}

impl PolicyOrigin {
    /// An item of a policy, by its index in the list; without one, the whole policy.
    pub(crate) fn of(policy: &Resource, item: Option<usize>) -> Self {
        let meta = policy.meta();
        let name = meta.name.as_str().to_owned();
        Self(Arc::new(PolicyPlace { policy: policy.id(), name, item, source: Arc::clone(&meta.source) }))
    }
}

/// In the JSON of a plan; `at` is the place in the policy, or null.
impl Serialize for PolicyOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PolicyPlace { policy, name, item, source } = &**self;
        let place = json!({
            "kind": policy.kind.as_str(),
            "mesh": policy.mesh,
            "name": name,
            "kri": policy.to_string(),
            "at": item.map(|index| format!("to[{index}]")),
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
    /// The place in the policy, e.g. `to[0].default`, by what it is `within` the item; empty where the policy has no list.
    pub fn place(&self, within: &str) -> String {
        self.item.map(|index| format!("to[{index}]{within}")).unwrap_or_default()
    }
}
