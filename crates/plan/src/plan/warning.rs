//! Warnings about a plan.

use std::fmt;

use model::ResourceId;

/// Warning about a plan, which stops nothing. Sorted by its words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Text of the warning.
    text: String,
    /// backendRef that it is about; `None`: it is about something else.
    about: Option<Written>,
}

/// backendRef, and the policy that it is written in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    policy: ResourceId,
    reference: String,
}

impl Warning {
    /// A warning about a backendRef, which is named as [`BackendRef`](model::BackendRef) displays it.
    pub(crate) fn about(policy: &ResourceId, reference: &str, text: String) -> Self {
        let about = Written { policy: policy.clone(), reference: reference.to_owned() };
        Self { text, about: Some(about) }
    }

    /// The policy and the backendRef in it that this is about, in its words; `None`: it is about something else.
    pub fn reference(&self) -> Option<(&ResourceId, &str)> {
        self.about.as_ref().map(|Written { policy, reference }| (policy, reference.as_str()))
    }
}

impl From<String> for Warning {
    fn from(text: String) -> Self {
        Self { text, about: None }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
