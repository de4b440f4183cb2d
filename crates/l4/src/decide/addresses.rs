//! Addresses of endpoints that are host names.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Result of resolving one host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Addresses, sorted; IPv4 only if there are any. Kept when a later look-up fails.
    Known(Vec<IpAddr>),
    /// No address, for this reason.
    Failed(Arc<str>),
}

/// Addresses of host names, as last resolved. Immutable; replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(BTreeMap<Arc<str>, Resolved>);

impl Addresses {
    /// Returns one of a name's addresses, in rotation; `None`: it has none.
    pub fn pick(&self, name: &str, turn: u64) -> Option<IpAddr> {
        match self.0.get(name)? {
            Resolved::Known(addresses) => {
                let index = turn.checked_rem(addresses.len() as u64)?;
                addresses.get(index as usize).copied()
            }
            Resolved::Failed(_) => None,
        }
    }

    /// Reason why a name has no address, in words.
    pub fn why_not(&self, name: &str) -> &str {
        match self.0.get(name) {
            None => "the host name is not resolved yet",
            Some(Resolved::Failed(why)) => why,
            Some(Resolved::Known(_)) => "the host name has no addresses",
        }
    }

    /// Result for a name; `None`: it was not resolved yet.
    pub fn get(&self, name: &str) -> Option<&Resolved> {
        self.0.get(name)
    }
}

impl FromIterator<(Arc<str>, Resolved)> for Addresses {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Resolved)>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}
